# shellcheck shell=bash
# Medians, ratios and targets, as a table for people or as markdown.

# median RESULTS METHOD COUNT: of the seconds; and the range as 'min–max'.
bench_sorted() { awk -v m="$2" -v c="$3" '$1 == m && $2 == c { print $3 }' "$1/times" | sort -g; }
median_of() { awk '{ v[NR] = $1 } END { if (NR) print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
median() { bench_sorted "$@" | median_of; }

# bench_targets RESULTS: 'WHAT|VALUE|TARGET|met or MISSED' a line.
bench_targets() {
    local dir=$1 vmkin many define loop clone memory list virsh tree chain index bases sample natives native
    vmkin=$(median "$dir" vmkin 100)
    many=$(median "$dir" vmkin 500)
    define=$(median "$dir" define 100)
    loop=$(median "$dir" loop 100)
    clone=$(median "$dir" virt-clone "$VIRT_CLONES")
    list=$(median "$dir" list 500)
    virsh=$(median "$dir" virsh-list 50)
    tree=$(median "$dir" tree 500)
    chain=$(median "$dir" chain 50)
    index=$(median "$dir" index "$INDEX")
    bases=$(median "$dir" base-list "$INDEX")
    sample=$(median "$dir" index-chain "$INDEX_SAMPLE")
    # All disks of the folder: those of the clones.
    natives=$((INDEX - 1))
    native=$(median "$dir" native "$natives")
    memory=$(awk '$1 == 500 { print $2 }' "$dir/memory" | sort -g | tail -n 1)
    awk -v v="$vmkin" -v m="$many" -v d="$define" -v l="$loop" -v c="$clone" -v n="$VIRT_CLONES" -v k="$memory" \
        -v a="$list" -v b="$virsh" -v t="$tree" -v q="$chain" -v i="$index" -v is="$INDEX" -v bl="$bases" -v s="$sample" -v ss="$INDEX_SAMPLE" \
        -v n1="$native" -v ns="$natives" '
        function line(what, value, form, least, target) {
            printf "%s|" form "|%s|%s\n", what, value, (least ? "≥ " : "≤ ") target,
                (least ? value >= target : value <= target) ? "met" : "MISSED"
        }
        BEGIN {
            line("shell loop / vmkin, a clone", l / v, "%.1f", 1, 25)
            line("virt-clone / vmkin, a clone", (c / n) / (v / 100), "%.0f", 1, 150)
            line("vmkin / define calls alone", v / d, "%.2f", 0, 1.5)
            line("500 clones / 100 clones", m / v, "%.2f", 0, 5.5)
            line("peak memory for 500 clones, MiB", k / 1024, "%.1f", 0, 64)
            line("the same list by virsh / vmkin list, a domain", (b / 50) / (a / 500), "%.0f", 1, 20)
            line("qemu-img --backing-chain / vmkin tree, a domain", (q / 50) / (t / 500), "%.0f", 1, 10)
            line("who uses which file: qemu-img --backing-chain / native, a disk", (s / ss) / (n1 / ns), "%.0f", 1, 300)
            line("vmkin tree with " is " domains, seconds", i, "%.2f", 0, 1)
            line("vmkin base list with " is " domains, seconds", bl, "%.2f", 0, 1)
        }'
    # As much as the same qemu-img alone and a tenth, and one call of libvirt with its connection.
    for native in create apply delete; do
        awk -v what="$native" -v own="$(median "$dir" "snapshot-$native-vmkin" 1)" \
            -v qemu="$(median "$dir" "snapshot-$native-qemu" 1)" -v call="$(median "$dir" call 1)" 'BEGIN {
                value = own / (1.1 * qemu + call)
                printf "snapshot %s / (1.1 qemu-img + a libvirt call)|%.2f|≤ 1|%s\n", what, value,
                    value <= 1 ? "met" : "MISSED"
            }'
    done
    files_targets "$dir"
    disks_targets "$dir"
    writes_targets "$dir"
    hosts_targets "$dir"
}

bench_targets_met() { ! bench_targets "$1" | grep -q '|MISSED$'; }

# bench_rows RESULTS: 'WHAT|COUNT|MEDIAN s|a clone, ms|range s' a line.
bench_rows() {
    local dir=$1 what method count
    while IFS='|' read -r what method count; do
        bench_sorted "$dir" "$method" "$count" | awk -v what="$what" -v count="$count" '
            { v[NR] = $1 }
            END {
                median = (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
                printf "%s|%d|%.3f|%.2f|%.3f–%.3f\n", what, count, median, median * 1000 / count, v[1], v[NR]
            }'
    done <<LIST
vmkin clone|vmkin|100
vmkin clone|vmkin|500
shell loop: qemu-img, sed, virsh define|loop|100
virt-clone (copies the disk)|virt-clone|$VIRT_CLONES
define calls of libvirt alone|define|100
vmkin list|list|500
virsh dominfo, domblkinfo, qemu-img info|virsh-list|50
vmkin tree|tree|500
qemu-img info --backing-chain|chain|50
$(for what in create apply delete; do
        printf 'vmkin snapshot %s, 1 GiB|snapshot-%s-vmkin|1\n' "$what" "$what"
        printf 'the same with virsh|snapshot-%s-virsh|1\n' "$what"
        printf 'the same with qemu-img|snapshot-%s-qemu|1\n' "$what"
    done)
$(files_rows)
$(disks_rows)
$(writes_rows)
$(hosts_rows)
vmkin tree --json|index|$INDEX
vmkin base list|base-list|$INDEX
chains read natively, without libvirt|native|$((INDEX - 1))
qemu-img info --backing-chain, a sample|index-chain|$INDEX_SAMPLE
LIST
}

bench_machine() {
    printf '%s cores of %s, Linux %s, libvirt %s, %s' "$(nproc)" \
        "$(awk -F ': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)" "$(uname -r | cut -d . -f 1-2)" \
        "$(libvirtd --version 2>/dev/null | awk '{ print $NF }')" \
        "$(qemu-img --version | awk 'NR == 1 { print "QEMU " $3 }')"
}

# bench_report RESULTS [markdown]
bench_report() {
    local dir=$1
    if [[ ${2:-} == markdown ]]; then
        cat <<TEXT
Written by \`scripts/bench.sh --write\`: medians of $REPEAT rounds.

Machine: $(bench_machine).

| | domains | seconds | a domain, ms | from–to, seconds |
|---|---:|---:|---:|---:|
$(bench_rows "$dir" | sed -e 's/|/ | /g' -e 's/^/| /' -e 's/$/ |/')

| ratio | here | target | |
|---|---:|---:|---|
$(bench_targets "$dir" | sed -e 's/|/ | /g' -e 's/^/| /' -e 's/$/ |/')
TEXT
        return
    fi
    printf '\n%s\n\n' "$(bench_machine)"
    { printf 'method|clones|seconds|a clone, ms|from–to\n' && bench_rows "$dir"; } | bench_columns
    printf '\n'
    { printf 'ratio|here|target|\n' && bench_targets "$dir"; } | bench_columns
}

bench_columns() { awk -F '|' '{ printf "%-42s %8s %9s %12s  %s\n", $1, $2, $3, $4, $5 }'; }
