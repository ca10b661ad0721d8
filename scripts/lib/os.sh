# shellcheck shell=bash
# Which distribution this is, in the words that the package lists need.

# os_field NAME: one field of /etc/os-release, empty when absent.
os_field() {
    [[ -r /etc/os-release ]] || return 0
    # shellcheck source=/dev/null  # a file of the host
    (. /etc/os-release && printf '%s' "${!1:-}")
}

# os_family: apt, dnf or unknown.
os_family() {
    if command -v apt-get >/dev/null 2>&1; then
        echo apt
    elif command -v dnf >/dev/null 2>&1; then
        echo dnf
    else
        echo unknown
    fi
}

os_id() { os_field ID; }
os_codename() { os_field VERSION_CODENAME; }
