# shellcheck shell=bash
# Debian hosts with one half of QEMU or libvirt from backports. The halves demand each other's exact version, so the
# other half can then come only from there: "qemu-system-x86 : Depends: qemu-system-common (= 1:7.2…)". Backports are
# switched on for that case alone, and only for these packages.

# Installed package and the one that must have its version.
BACKPORTS_PAIRS=(
    qemu-utils:qemu-system-x86
    qemu-system-common:qemu-system-x86
    qemu-block-extra:qemu-system-x86
    libvirt0:libvirt-daemon
    libvirt-clients:libvirt-daemon
    libvirt0:libvirt-dev
)

# backports_needed: is an installed half newer than the half to come, and from backports by its version?
backports_needed() {
    [[ $(os_id) == debian && -n $(os_codename) ]] || return 1
    local pair here there
    for pair in "${BACKPORTS_PAIRS[@]}"; do
        here=$(apt_installed "${pair%%:*}")
        [[ $here == *~bpo* ]] || continue
        there=$(apt_candidate "${pair#*:}")
        if [[ -n $there ]] && dpkg --compare-versions "$here" gt "$there"; then
            say "${pair%%:*} $here is from backports, newer than ${pair#*:} $there"
            return 0
        fi
    done
    return 1
}

# apt_install_with_backports PACKAGE…: QEMU and libvirt from there, the rest as ever.
apt_install_with_backports() {
    local suite package both=() rest=()
    suite=$(os_codename)-backports
    for package in "$@"; do
        case $package in
            qemu* | libvirt*) both+=("$package") ;;
            *) rest+=("$package") ;;
        esac
    done
    backports_enable "$suite" || return
    # Halves that are here already have to move along with the new ones.
    for package in libvirt-dev libvirt-daemon-system libvirt-clients qemu-utils qemu-system-x86; do
        if [[ -n $(apt_installed "$package") ]]; then both+=("$package"); fi
    done
    apt_run -t "$suite" install "${both[@]}" || return
    [[ ${#rest[@]} -eq 0 ]] || apt_run install "${rest[@]}"
}

# backports_enable SUITE: beside the configured suites, from the configured mirror, trusted by the same keyring.
backports_enable() {
    local suite=$1 source
    if apt-cache policy | grep -qF "a=$suite,"; then
        return 0
    fi
    source=$(configured_source "${suite%-backports}") ||
        die "no configured apt source has the suite '${suite%-backports}'" "add '$suite' to your apt sources, then run this again"
    say "adding /etc/apt/sources.list.d/vmkin-backports.sources"
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n%s\n' \
        "${source%%|*}" "$suite" "${source#*|}" |
        as_root tee /etc/apt/sources.list.d/vmkin-backports.sources >/dev/null
    # shellcheck disable=SC2034  # read by apt_update
    APT_LISTS_FRESH=
    apt_update
}

# configured_source SUITE: 'URI|Signed-By: …' of the first source that has it, in either of apt's two formats.
configured_source() {
    local suite=$1 found
    found=$(
        shopt -s nullglob
        {
            for file in /etc/apt/sources.list.d/*.sources; do source_of_deb822 "$suite" "$file"; done
            for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
                [[ ! -r $file ]] || source_of_one_line "$suite" "$file"
            done
        } | head -n 1
    )
    [[ -n $found ]] || return 1
    # The key travels on one line; a Signed-By that holds the key itself spans several and is not carried over.
    printf '%s|' "${found%%|*}"
    [[ -z ${found#*|} ]] || printf 'Signed-By: %s\n' "${found#*|}"
}

source_of_deb822() {
    awk -v suite="$1" '
        function done_paragraph() {
            if (types ~ /(^| )deb( |$)/ && (" " suites " ") ~ (" " suite " ") && enabled != "no") print uri "|" key
            types = suites = uri = key = enabled = field = ""
        }
        /^[ \t]*$/ { done_paragraph(); next }
        /^#/ { next }
        /^[^ \t]/ { field = tolower($1) }
        field == "types:" { sub(/^[^:]*:[ \t]*/, ""); types = types " " $0 }
        field == "suites:" { sub(/^[^:]*:[ \t]*/, ""); suites = suites " " $0 }
        field == "uris:" && uri == "" { sub(/^[^:]*:[ \t]*/, ""); uri = $1 }
        field == "signed-by:" && /^[^ \t]/ { sub(/^[^:]*:[ \t]*/, ""); key = $1 }
        field == "enabled:" { enabled = tolower($2) }
        END { done_paragraph() }
    ' "$2"
}

source_of_one_line() {
    awk -v suite="$1" '
        $1 != "deb" { next }
        {
            key = ""
            if (match($0, /\[[^]]*\]/)) {
                options = substr($0, RSTART + 1, RLENGTH - 2)
                if (match(options, /signed-by=[^ ]*/)) key = substr(options, RSTART + 10, RLENGTH - 10)
                sub(/\[[^]]*\]/, "")
            }
            if ($3 == suite) print $2 "|" key
        }
    ' "$2"
}
