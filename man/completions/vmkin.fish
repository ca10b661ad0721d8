# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_vmkin_global_optspecs
    string join \n c/connect= host= json q/quiet v/verbose y/yes color= h/help V/version
end

function __fish_vmkin_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_vmkin_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_vmkin_using_subcommand
    set -l cmd (__fish_vmkin_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c vmkin -n "__fish_vmkin_needs_command" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_needs_command" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_needs_command" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_needs_command" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_needs_command" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_needs_command" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_needs_command" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_needs_command" -s V -l version -d 'Print version'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "list" -d 'List all domains'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "show" -d 'Show all that is known of a domain'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "tree" -d 'Draw which images and domains depend on which'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "clone" -d 'Make clones of a golden domain'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "import" -d 'Make guests of disk images, in the words of virt-install'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "template" -d 'Templates of domains: what there is, and what they make'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "start" -d 'Start domains'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "shutdown" -d 'Ask guests to shut down'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "reboot" -d 'Ask guests to reboot'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "suspend" -d 'Stop the processors of domains'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "resume" -d 'Let paused domains go on'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "save" -d 'Write the memory of guests to the disk, and end them'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "restore" -d 'Let saved guests go on where they were'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "destroy" -d 'Pull the plug of domains'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "ip" -d 'Print the addresses of guests'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "reset" -d 'Drop what guests have written: back to the base image, in milliseconds'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "delete" -d 'Delete guests: their definitions, and the files that are theirs alone'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "base" -d 'Look after the images that clones are based on'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "flatten" -d 'Make guests independent of their bases'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "promote" -d 'Make a golden domain of a guest'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "export" -d 'Print guests as what KubeVirt, Terraform or another libvirt reads'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "migrate" -d 'Bring guests to another host, with the same storage or copies of it'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "prune" -d 'Find overlays, seeds and temporary files that no domain has, and remove them'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "disk" -d 'Work on the disks of guests, or on images'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "image" -d 'Make images'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "inspect" -d 'Tell what guests are: operating system, mounts, kernels, users, packages'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "ls" -d 'List files of guests'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "cat" -d 'Print files of guests'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "df" -d 'Show how full the file systems of guests are'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "copy-out" -d 'Copy files and directories of a guest to the host'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "grep" -d 'Look for lines in files of guests'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "find" -d 'Look for files of guests'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "diff" -d 'Tell which files differ between two guests'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "log" -d 'Print the end of a guest\'s system log'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "rescue" -d 'Find out why a guest does not boot'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "mount" -d 'Mount the file systems of a guest on a directory'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "umount" -d 'Unmount guests'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "shell" -d 'Work with the files of a guest line by line'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "edit" -d 'Edit files of guests that are shut off'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "write" -d 'Write a file of guests that are shut off'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "copy-in" -d 'Copy files and directories of the host into guests that are shut off'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "tar-in" -d 'Unpack a tar archive into guests that are shut off'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "customize" -d 'Give guests that are shut off a name, keys, passwords and files of their own'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "mkdir" -d 'Make directories in guests that are shut off'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "rm" -d 'Remove files from guests that are shut off'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "mv" -d 'Move files of guests that are shut off, or give them other names'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "ln" -d 'Make links in guests that are shut off'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "touch" -d 'Make empty files in guests that are shut off, or set the times of files'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "chmod" -d 'Give files of guests that are shut off another mode'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "chown" -d 'Give files of guests that are shut off another owner'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "snapshot" -d 'Make snapshots of guests, and go back to them: all disks, or none'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "doctor" -d 'Find out what this host lacks, and how to get it'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "recover" -d 'Finish or take back what an interrupted vmkin left behind'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "completions" -d 'Print the completion script for a shell'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "man" -d 'Write the manual pages into a directory'
complete -c vmkin -n "__fish_vmkin_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c vmkin -n "__fish_vmkin_using_subcommand list" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand list" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand list" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand list" -l running -d 'Only domains that are active'
complete -c vmkin -n "__fish_vmkin_using_subcommand list" -l inactive -d 'Only domains that are not active'
complete -c vmkin -n "__fish_vmkin_using_subcommand list" -l name -d 'Print only names, one per line'
complete -c vmkin -n "__fish_vmkin_using_subcommand list" -l all -d 'List all domains, which is the default; for those who are used to virsh'
complete -c vmkin -n "__fish_vmkin_using_subcommand list" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand list" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand list" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand list" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand show" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand show" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand show" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand show" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand show" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand show" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand show" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand show" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand tree" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand tree" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand tree" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand tree" -l dot -d 'Print a graph in the language of Graphviz: `vmkin tree --dot | dot -Tsvg`'
complete -c vmkin -n "__fish_vmkin_using_subcommand tree" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand tree" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand tree" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand tree" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand tree" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -s d -s o -l domain -l original -d 'The golden domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l original-xml -d 'Clone what this file of domain XML describes, which need not be defined' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l base -d 'Make guests of this image, which is no domain\'s; what else they are is up to --template' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l base-format -d 'The format of the image [default: what its header says]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l template -d 'The template that makes the domain XML of guests on --base [default: server]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l set -d 'A value for the template; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -s n -l name -d 'The same as NAME: a name, or a pattern such as \'web-{n:02}\'' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l count -d 'How many clones, numbered by the pattern in NAME [default: 1]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l from -d 'The first number of a pattern [default: 1]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l reflink -d 'Whether --full shares blocks with the original, where the file system can' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l hostname -d 'The host name of the guest, or a pattern such as \'{name}.lab\' or \'node-{n:02}\' [default: the name]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l ssh-key -d 'A file of public keys that may log in over SSH' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l user -d 'Make this user, who may become root, and give it the keys and the password instead of the image\'s default user' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l password-file -d 'A file with the password of the user; - for standard input' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l user-data -d 'User-data of your own for cloud-init, sent as it is' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l meta-data -d 'Metadata of your own for cloud-init, sent as it is' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l network-config -d 'A network configuration for cloud-init, sent as it is' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l identity -d 'How guests are told who they are [default: auto if there is something to tell, else none]' -r -f -a "auto\t'A disk for cloud-init, and SMBIOS for systemd'
cloud-init\t'A small disk that cloud-init reads'
smbios\t'SMBIOS alone, which systemd and cloud-init read'
offline\t'What is on its disks, written by libguestfs before it starts'
none\t'Not at all'"
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l wait-ip -d 'With --start, wait until each has an address, and print it; for TIME at the most, such as 90s [default: 2m]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l dir -d 'Put the disks into this directory instead of beside their originals' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l pool -d 'Put the disks into this storage pool' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -s m -l mac -d 'A MAC address; repeat it in the order of clones and their interfaces' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l ip -d 'Reserve this IPv4 address for a clone, or addresses of this range for several; repeat it in the order of clones' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -s u -l uuid -d 'A UUID; repeat it in the order of clones' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -s f -l file -d 'The path of a disk; repeat it in the order of clones and their disks' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l nvram -d 'The path of the copy of the UEFI variables; repeat it in the order of clones' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l share -d 'Leave this disk shared with the golden domain, such as vdb' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l tpm -d 'What becomes of an emulated TPM: an empty one, or a copy' -r -f -a "fresh\t''
copy\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l allow-dir -d 'Allow backing files in this directory, which is no storage pool' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l max-per-host -d 'With --spread, the most clones that one host gets' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l linked -d 'Make overlays on the golden domain\'s disks, which is the default'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l full -d 'Make independent copies of the disks'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l start -d 'Start the clones'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l keep-hostdevs -d 'Keep devices of the host that are passed through; two domains cannot have one at once'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l no-seal -d 'Do not seal the disks that overlays are made on'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l all-or-nothing -d 'If one clone fails, take back those made before it too'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l auto-clone -d 'What happens anyway; for those who are used to virt-clone'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l spread -d 'Share the clones out over the hosts named by -c and --host'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l print-xml -d 'Print the XML of the clones and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l security-info -d 'With --print-xml, print passwords too, as `virsh dumpxml` does'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l dry-run -d 'Print each step and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand clone" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -s n -l name -d 'The name of the guest, or a pattern such as \'web-{n:02}\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l count -d 'How many guests, numbered by the pattern in --name [default: 1]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l from -d 'The first number of a pattern [default: 1]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l disk -d 'A disk: path=IMAGE, backing=BASE or size=GIB, and bus=, format=, cache=, readonly=, shareable=, device=, target=, serial=, pool=, vol=, …' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l cdrom -d 'An image for a CD drive' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -s r -l memory -l ram -d 'The memory, in MiB if there is no unit [default: 1024, or what the operating system should have]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l vcpus -d 'How many processors, and maxvcpus=, sockets=, cores=, threads= [default: 1]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l cpu -d 'The processor that guests see: host-passthrough, host-model, maximum or a model, and +feature, -feature' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -s w -l network -d 'A network interface: network=NAME, bridge=NAME, user or none, and model=, mac=, portgroup=, mtu=, … [default: network=default]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l graphics -d 'A screen: none, vnc or spice, and listen=, port=, password-file=, keymap=' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l console -d 'The console: pty or none, and target_type=serial or virtio, log=FILE' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l boot -d 'How guests boot: uefi, hd, cdrom, network, kernel=, initrd=, cmdline=, menu=on, secure_boot=' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l os-variant -l osinfo -d 'The operating system, such as debian12: it decides on devices, firmware and amounts where nothing else is said' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l tpm -d 'A TPM: default, none, 2.0 or 1.2, and model=' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l video -d 'The video device where there is a screen' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l virt-type -d 'What runs the guests, kvm or qemu [default: kvm where it works]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l arch -d 'The architecture [default: that of the host]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l machine -d 'The machine type [default: q35, or what the operating system knows]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l title -d 'A title for people' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l description -d 'A longer text for people' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l template -d 'The template that makes the domain XML, by name or by path [default: server, or windows]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l set -d 'A value for the template; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l dir -d 'Put new images into this directory' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l pool -d 'Put new images into this storage pool' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -s m -l mac -d 'A MAC address; repeat it in the order of guests and their interfaces' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l ip -d 'Reserve this IPv4 address for a guest, or addresses of this range for several; repeat it in the order of guests' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -s u -l uuid -d 'A UUID; repeat it in the order of guests' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l hostname -d 'The host name of the guest, or a pattern such as \'{name}.lab\' or \'node-{n:02}\' [default: the name]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l ssh-key -d 'A file of public keys that may log in over SSH' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l user -d 'Make this user, who may become root, and give it the keys and the password instead of the image\'s default user' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l password-file -d 'A file with the password of the user; - for standard input' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l user-data -d 'User-data of your own for cloud-init, sent as it is' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l meta-data -d 'Metadata of your own for cloud-init, sent as it is' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l network-config -d 'A network configuration for cloud-init, sent as it is' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l identity -d 'How guests are told who they are [default: auto if there is something to tell, else none]' -r -f -a "auto\t'A disk for cloud-init, and SMBIOS for systemd'
cloud-init\t'A small disk that cloud-init reads'
smbios\t'SMBIOS alone, which systemd and cloud-init read'
offline\t'What is on its disks, written by libguestfs before it starts'
none\t'Not at all'"
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l wait-ip -d 'With --start, wait until each has an address, and print it; for TIME at the most, such as 90s [default: 2m]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l allow-dir -d 'Allow backing files in this directory, which is no storage pool' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l os-type -d 'What virt-install has given up too' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l start -d 'Start the guests'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l autostart -d 'Have the guests start with the host'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l no-seal -d 'Do not seal the images that overlays are made on'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l block -d 'Allow block devices of the host as disks'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l all-or-nothing -d 'If one guest fails, take back those made before it too'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l print-xml -d 'Print the XML of the guests and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l security-info -d 'With --print-xml, print passwords too, as `virsh dumpxml` does'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l dry-run -d 'Print each step and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l import -d 'What happens anyway; for those who are used to virt-install'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l hvm -d 'The same'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l noautoconsole -d 'The same: nobody waits at a console'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and not __fish_seen_subcommand_from list ls show render help" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and not __fish_seen_subcommand_from list ls show render help" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and not __fish_seen_subcommand_from list ls show render help" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and not __fish_seen_subcommand_from list ls show render help" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and not __fish_seen_subcommand_from list ls show render help" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and not __fish_seen_subcommand_from list ls show render help" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and not __fish_seen_subcommand_from list ls show render help" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and not __fish_seen_subcommand_from list ls show render help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and not __fish_seen_subcommand_from list ls show render help" -f -a "list" -d 'List the templates'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and not __fish_seen_subcommand_from list ls show render help" -f -a "ls" -d 'List the templates'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and not __fish_seen_subcommand_from list ls show render help" -f -a "show" -d 'Print the text of a template'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and not __fish_seen_subcommand_from list ls show render help" -f -a "render" -d 'Print the XML that a template makes of a made-up guest'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and not __fish_seen_subcommand_from list ls show render help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from list" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from list" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from list" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from list" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from list" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from ls" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from ls" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from ls" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from ls" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from ls" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from show" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from show" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from show" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from show" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from show" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from render" -s n -l name -d 'The name of the guest' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from render" -l set -d 'A value for the template; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from render" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from render" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from render" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from render" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from render" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from render" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from render" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from render" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the templates'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print the text of a template'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from help" -f -a "render" -d 'Print the XML that a template makes of a made-up guest'
complete -c vmkin -n "__fish_vmkin_using_subcommand template; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c vmkin -n "__fish_vmkin_using_subcommand start" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand start" -l wait-ip -d 'Wait until each guest has an address, and print it; for TIME at the most, such as 90s [default: 2m]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand start" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand start" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand start" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand start" -l paused -d 'Start with the processors stopped'
complete -c vmkin -n "__fish_vmkin_using_subcommand start" -l force-boot -d 'Throw saved memory away and boot from the disks'
complete -c vmkin -n "__fish_vmkin_using_subcommand start" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand start" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand start" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand start" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand shutdown" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand shutdown" -l timeout -d 'How long to wait for each, such as 90s or 5m' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand shutdown" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand shutdown" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand shutdown" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand shutdown" -l wait -d 'Wait for it'
complete -c vmkin -n "__fish_vmkin_using_subcommand shutdown" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand shutdown" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand shutdown" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand shutdown" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand shutdown" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand reboot" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand reboot" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand reboot" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand reboot" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand reboot" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand reboot" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand reboot" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand reboot" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand reboot" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand suspend" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand suspend" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand suspend" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand suspend" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand suspend" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand suspend" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand suspend" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand suspend" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand suspend" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand resume" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand resume" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand resume" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand resume" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand resume" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand resume" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand resume" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand resume" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand save" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand save" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand save" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand save" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand save" -l running -d 'Let them go on with their processors running, even if they are paused now'
complete -c vmkin -n "__fish_vmkin_using_subcommand save" -l paused -d 'Let them go on with their processors stopped'
complete -c vmkin -n "__fish_vmkin_using_subcommand save" -l bypass-cache -d 'Write past the host\'s cache'
complete -c vmkin -n "__fish_vmkin_using_subcommand save" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand save" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand save" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand save" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand save" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand restore" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand restore" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand restore" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand restore" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand restore" -l running -d 'With the processors running, even if they were saved paused'
complete -c vmkin -n "__fish_vmkin_using_subcommand restore" -l paused -d 'With the processors stopped'
complete -c vmkin -n "__fish_vmkin_using_subcommand restore" -l bypass-cache -d 'Read past the host\'s cache'
complete -c vmkin -n "__fish_vmkin_using_subcommand restore" -l discard -d 'Throw the saved memory away, and leave them shut off; asks first, unless --yes'
complete -c vmkin -n "__fish_vmkin_using_subcommand restore" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand restore" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand restore" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand restore" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand destroy" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand destroy" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand destroy" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand destroy" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand destroy" -l graceful -d 'Give QEMU time to write out what it has cached'
complete -c vmkin -n "__fish_vmkin_using_subcommand destroy" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand destroy" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand destroy" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand destroy" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand destroy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand ip" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ip" -l timeout -d 'How long to wait for each, such as 90s or 5m' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ip" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ip" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ip" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand ip" -l wait -d 'Wait for it'
complete -c vmkin -n "__fish_vmkin_using_subcommand ip" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand ip" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand ip" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand ip" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand ip" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand reset" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand reset" -l target -d 'Only this disk, such as vda; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand reset" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand reset" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand reset" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand reset" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand reset" -l dry-run -d 'Show what would go back to what, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand reset" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand reset" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand reset" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand reset" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand reset" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -l allow-dir -d 'Trust backing files in this directory too, of any domain' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -l remove-all-storage -d 'Remove all of the domain\'s own disks, also those that are no overlays'
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -l keep-storage -d 'Remove no disk'
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -l destroy -d 'Pull the plug first if it is running'
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -l managed-save -d 'Its saved memory may be lost'
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -l snapshots -d 'Its snapshots may be lost'
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -s f -l force -d 'The same as --destroy --managed-save --snapshots'
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -l dry-run -d 'Show what would go and what would stay, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -f -a "seal" -d 'Seal base images: make them read-only and remember what they look like'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -f -a "unseal" -d 'Open the seals of base images that have no children'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -f -a "verify" -d 'Find out whether base images are what they were'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -f -a "list" -d 'List the base images of this host'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -f -a "children" -d 'List what depends on base images'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -f -a "move" -d 'Give a base image another place, and have all its children follow'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -f -a "rebase" -d 'Put the children of a base on another one'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -f -a "push" -d 'Send base images to other hosts, through libvirt'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and not __fish_seen_subcommand_from seal unseal verify list children move rebase push help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from seal" -s d -l domain -d 'The disks of a domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from seal" -l format -d 'The format of images that no domain uses [default: by the header]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from seal" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from seal" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from seal" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from seal" -l no-hash -d 'Do not read the whole image to remember its SHA-256'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from seal" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from seal" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from seal" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from seal" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from seal" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from unseal" -s d -l domain -d 'The disks of a domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from unseal" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from unseal" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from unseal" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from unseal" -l force -d 'Also if they have children, which any change will corrupt'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from unseal" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from unseal" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from unseal" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from unseal" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from unseal" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from verify" -s d -l domain -d 'The disks of a domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from verify" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from verify" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from verify" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from verify" -l pushed -d 'All that were pushed to the hosts named by `-c` and `--host`'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from verify" -l quick -d 'Do not read the whole image'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from verify" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from verify" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from verify" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from list" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from list" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from list" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from list" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from list" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from children" -s d -l domain -d 'The disks of a domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from children" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from children" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from children" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from children" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from children" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from children" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from children" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from children" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from move" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from move" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from move" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from move" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from move" -l copy -d 'Copy it on the same file system too'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from move" -l dry-run -d 'Show what would follow it, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from move" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from move" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from move" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from move" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from move" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from rebase" -l onto -d 'The base that they are to be on' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from rebase" -s d -l domain -d 'Only these children, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from rebase" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from rebase" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from rebase" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from rebase" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from rebase" -l dry-run -d 'Show what would be put on it, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from rebase" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from rebase" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from rebase" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from rebase" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from rebase" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from push" -s d -l domain -d 'The disks of a domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from push" -l to -d 'Where to: hosts and groups of hosts.toml, or URIs' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from push" -l pool -d 'The storage pool there' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from push" -l name -d 'What the volume is called there, of one image' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from push" -l format -d 'The format of images that no domain uses [default: by the header]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from push" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from push" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from push" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from push" -l dry-run -d 'Show what would be sent, and send nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from push" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from push" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from push" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from help" -f -a "seal" -d 'Seal base images: make them read-only and remember what they look like'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from help" -f -a "unseal" -d 'Open the seals of base images that have no children'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Find out whether base images are what they were'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the base images of this host'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from help" -f -a "children" -d 'List what depends on base images'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from help" -f -a "move" -d 'Give a base image another place, and have all its children follow'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from help" -f -a "rebase" -d 'Put the children of a base on another one'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from help" -f -a "push" -d 'Send base images to other hosts, through libvirt'
complete -c vmkin -n "__fish_vmkin_using_subcommand base; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c vmkin -n "__fish_vmkin_using_subcommand flatten" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand flatten" -l target -d 'Only this disk, such as vda; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand flatten" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand flatten" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand flatten" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand flatten" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand flatten" -l dry-run -d 'Show what would stand alone, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand flatten" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand flatten" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand flatten" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand flatten" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand flatten" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand promote" -s d -l domain -d 'The guest, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand promote" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand promote" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand promote" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand promote" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand promote" -l flatten -d 'Make images that stand alone of its overlays first'
complete -c vmkin -n "__fish_vmkin_using_subcommand promote" -l layer -d 'Leave its overlays on their base: this is what happens anyway'
complete -c vmkin -n "__fish_vmkin_using_subcommand promote" -l no-hash -d 'Do not read whole images to remember their SHA-256'
complete -c vmkin -n "__fish_vmkin_using_subcommand promote" -l dry-run -d 'Show what would be sealed, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand promote" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand promote" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand promote" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand promote" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand promote" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand export" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand export" -s f -l format -d 'For what' -r -f -a "kubevirt\t'Kubernetes with KubeVirt and its CDI'
terraform\t'Terraform or OpenTofu'
xml\t'libvirt'"
complete -c vmkin -n "__fish_vmkin_using_subcommand export" -l template -d 'A Handlebars template of your own' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand export" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand export" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand export" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand export" -l from-base -d 'Have clones made of their base anew there, without what they have written'
complete -c vmkin -n "__fish_vmkin_using_subcommand export" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand export" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand export" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand export" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -s d -l domain -d 'Domains, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -l to -d 'Where to: a host of hosts.toml, or a URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -l migrate-uri -d 'Where the memory of guests is sent to, tcp://HOST[:PORT] [default: its own name, or that of its URI]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -l copy-storage -d 'Copy disks that are not the same there: `inc` a guest\'s own, on bases that are there; `all` those too [default if alone: inc]' -r -f -a "inc\t'What a guest has of its own'
all\t'That, and what it is based on'"
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -l unsafe -d 'Allow what libvirt takes for unsafe: disks whose cache hosts may not share'
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -l copy-storage-all -d 'As `--copy-storage all`'
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -l copy-storage-inc -d 'As `--copy-storage inc`'
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -l delete-source -d 'Remove here what was copied, when the guest is there'
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -l dry-run -d 'Look whether they can go, and leave them where they are'
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand migrate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand prune" -l dir -d 'Look through this directory too; may be repeated' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand prune" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand prune" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand prune" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand prune" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand prune" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand prune" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand prune" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -f -a "amend" -d 'Change what qcow2 images are, and none of their data'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -f -a "check" -d 'Check the tables of images, and repair them'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -f -a "commit" -d 'Put what an overlay holds into the image that it is based on'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -f -a "compare" -d 'Tell whether two disks are the same to a guest, and if not, where they differ'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -f -a "convert" -d 'Read a disk, with all that is below it, into an image of its own'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -f -a "create" -d 'Make a new disk with nothing in it, or an overlay on another image'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -f -a "info" -d 'Tell what disks are made of: the images of their chains, and who uses them'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -f -a "map" -d 'Tell which part of a disk is in which image'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -f -a "rebase" -d 'Put an overlay on another base, where it reads what it read before'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -f -a "resize" -d 'Make a disk larger or smaller, with what is on it'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and not __fish_seen_subcommand_from amend check commit compare convert create info map rebase resize help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -s d -l domain -d 'The disks of a domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -l target -d 'Only this disk of it, such as vda; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -s a -l add -d 'An image, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -s f -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -s o -l option -d 'What it is to be: compat, lazy_refcounts or refcount_bits, as in `-o compat=1.1`; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -l dry-run -d 'Tell what would be changed, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from amend" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from check" -s d -l domain -d 'The disks of a domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from check" -l target -d 'Only this disk of it, such as vda; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from check" -s a -l add -d 'An image, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from check" -s f -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from check" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from check" -s r -l repair -d 'Repair what is wrong; `all` asks first, for data may be lost' -r -f -a "leaks\t'Give back clusters that belong to nothing'
all\t'Mend wrong tables too'"
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from check" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from check" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from check" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from check" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from check" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -s d -l domain -d 'The disks of a domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -l target -d 'Only this disk of it, such as vda; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -s a -l add -d 'An image, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -s f -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -l keep -d 'Let the domain have the overlay still, with nothing in it'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -l drop -d 'Remove the image; if a domain has it, the base is its disk then'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -l dry-run -d 'Tell what would be done, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from commit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -s d -l domain -d 'The disks of a domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -l target -d 'Only this disk of it, such as vda; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -s a -l add -d 'An image, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -s f -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -l with -d 'The other image, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -l with-format -d 'The format of the other image, if no domain has it' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -l with-domain -d 'The disks of another domain: those of the same names' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -l with-target -d 'Only this disk of it' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -s s -l strict -d 'Disks of different sizes are not the same'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -s d -l domain -d 'The disks of a domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -l target -d 'Only this disk of it, such as vda; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -s a -l add -d 'An image, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -s f -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -s O -l output-format -d 'Its format [default: qcow2 if its name ends so, else raw]' -r -f -a "raw\t'The bytes of the disk, with holes'
qcow2\t'QEMU\'s own'
qcow\t'Its predecessor'
qed\t'QEMU enhanced disk'
vmdk\t'VMware'
vdi\t'VirtualBox'
vpc\t'Virtual PC (.vhd)'
vhdx\t'Hyper-V'
parallels\t'Parallels (.hds)'"
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -s o -l option -d 'Options of that format, as in qemu-img: `-o cluster_size=2M`; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -s s -s l -l snapshot -d 'Read this internal snapshot, by its name or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -s S -l sparse -d 'So many zeros on end become a hole; 0 for none [default: 4k]' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -l compress -d 'Compress it: qcow2, and VMDK with `-o subformat=streamOptimized`'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -l no-compare -d 'Do not read the new image again to compare it with the disk'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -l dry-run -d 'Tell what would be made, and make nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from convert" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -s f -l format -d 'Its format [default: qcow2 if its name ends so or it has a backing file, else raw]' -r -f -a "raw\t'The bytes of the disk, with holes'
qcow2\t'QEMU\'s own'"
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -s b -l backing -l backing-file -d 'The image that it is an overlay on' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -s F -l backing-format -l backing-fmt -d 'The format of that image, if no domain has it' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -s o -l option -d 'Options of the format, as in qemu-img: `-o cluster_size=2M,lazy_refcounts=on`; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -l cluster-size -d 'How large its clusters are' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -l preallocation -d 'What is allocated ahead: off, metadata, falloc or full' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -l compression-type -d 'How clusters are compressed that somebody compresses: zlib or zstd' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -l secret-file -d 'Encrypt what the guest writes (LUKS): a file with the secret, on one line; - for standard input' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -l dry-run -d 'Tell what would be made, and make nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from info" -s d -l domain -d 'The disks of a domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from info" -l target -d 'Only this disk of it, such as vda; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from info" -s a -l add -d 'An image, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from info" -s f -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from info" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from info" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from info" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from info" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from info" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from info" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from info" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from info" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from info" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from map" -s d -l domain -d 'The disks of a domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from map" -l target -d 'Only this disk of it, such as vda; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from map" -s a -l add -d 'An image, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from map" -s f -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from map" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from map" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from map" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from map" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from map" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from map" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from map" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from map" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from map" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -s d -l domain -d 'The disks of a domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -l target -d 'Only this disk of it, such as vda; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -s a -l add -d 'An image, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -s f -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -l onto -d 'The base that it is to be on' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -l onto-format -d 'The format of that, needed if no domain has it' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -s u -l unsafe -d 'Copy nothing, and write only its header: refused unless it reads the same there'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -l dry-run -d 'Tell what would be done, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from rebase" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -s d -l domain -d 'The disks of a domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -l target -d 'Only this disk of it, such as vda; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -s a -l add -d 'An image, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -s f -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -l grow-fs -d 'Grow the last partition and its file system too'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -l shrink -d 'Make the last file system and its partition smaller first'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -l live -d 'Grow the disk of a guest that runs; its file system is for the guest to grow'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -l dry-run -d 'Only say what would be done, and how small the disk could be'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from resize" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from help" -f -a "amend" -d 'Change what qcow2 images are, and none of their data'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from help" -f -a "check" -d 'Check the tables of images, and repair them'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from help" -f -a "commit" -d 'Put what an overlay holds into the image that it is based on'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from help" -f -a "compare" -d 'Tell whether two disks are the same to a guest, and if not, where they differ'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from help" -f -a "convert" -d 'Read a disk, with all that is below it, into an image of its own'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make a new disk with nothing in it, or an overlay on another image'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from help" -f -a "info" -d 'Tell what disks are made of: the images of their chains, and who uses them'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from help" -f -a "map" -d 'Tell which part of a disk is in which image'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from help" -f -a "rebase" -d 'Put an overlay on another base, where it reads what it read before'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from help" -f -a "resize" -d 'Make a disk larger or smaller, with what is on it'
complete -c vmkin -n "__fish_vmkin_using_subcommand disk; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and not __fish_seen_subcommand_from build help" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and not __fish_seen_subcommand_from build help" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and not __fish_seen_subcommand_from build help" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and not __fish_seen_subcommand_from build help" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and not __fish_seen_subcommand_from build help" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and not __fish_seen_subcommand_from build help" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and not __fish_seen_subcommand_from build help" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and not __fish_seen_subcommand_from build help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and not __fish_seen_subcommand_from build help" -f -a "build" -d 'Make a new disk, CD or floppy, with files in it'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and not __fish_seen_subcommand_from build help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l from -d 'What is put into it: a directory, a tar archive (plain or compressed by gzip, xz or zstd), or \'-\' for one on standard input' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l format -d 'The format of a disk [default: qcow2 if its name ends so, else raw]' -r -f -a "raw\t'The bytes of the disk, with holes'
qcow2\t'QEMU\'s own'"
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l size -d 'How large the disk is; with a plus, how much more than what is in it takes' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -s t -l type -d 'The file system: ext2, ext3, ext4, xfs, btrfs, vfat or ntfs' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l partition -d 'Put a partition table on the disk; a GPT, if it is not said which' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l label -d 'The label of the file system' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l lvm -d 'Put the file system on a logical volume' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l part -d 'A partition, such as 512M:esp, 1G:ext4:/boot or rest:lvm:vg; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l lv -d 'A logical volume, such as vg/root:8G:xfs:/; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -s N -l new -d 'A layout by its name, as in guestfish -N: disk, part, fs, lv, lvfs, bootroot, bootrootlv' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l owner -d 'Whose the files are' -r -f -a "keep\t'Those who own them in the source, by number'
root\t'Root'"
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l iso -d 'Make a CD: ISO 9660 with the names of Rock Ridge and Joliet'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l floppy -d 'Make a floppy of 1440 KiB'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l dry-run -d 'Tell what would be made, and make nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from build" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "build" -d 'Make a new disk, CD or floppy, with files in it'
complete -c vmkin -n "__fish_vmkin_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -s a -l add -d 'An image, by its path; several are the disks of one guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -l format -d 'The format of images that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -l snapshot -d 'Look at an internal snapshot of the images' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -l engine -d 'What reads the disks; libguestfs takes seconds, and is asked where vmkin cannot' -r -f -a "auto\t'vmkin, or libguestfs for what it cannot read'
native\t'vmkin itself'
appliance\t'libguestfs'"
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -l consistent -d 'Refuse a guest that is not shut off, or is written to meanwhile'
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -l xml -d 'Print XML as virt-inspector does'
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -l packages -d 'List the packages one by one'
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand inspect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -s a -l add -d 'An image, by its path; several are the disks of one guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -l format -d 'The format of images that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -l snapshot -d 'Look at an internal snapshot of the images' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -l engine -d 'What reads the disks; libguestfs takes seconds, and is asked where vmkin cannot' -r -f -a "auto\t'vmkin, or libguestfs for what it cannot read'
native\t'vmkin itself'
appliance\t'libguestfs'"
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -l consistent -d 'Refuse a guest that is not shut off, or is written to meanwhile'
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -s l -d 'Show kind, mode, owner, group, size and time of change, too'
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -s R -l recursive -d 'Go into directories, and show whole paths'
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -s h -l human-readable -d 'Show sizes in units that people read'
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -l times -d 'Show all times: of the last access, of the contents and of the inode'
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -s 0 -l null -d 'End each name with a NUL and not with a line break, and change nothing in it'
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -l help -d 'Print help'
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand ls" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -s a -l add -d 'An image, by its path; several are the disks of one guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -l format -d 'The format of images that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -l snapshot -d 'Look at an internal snapshot of the images' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -l engine -d 'What reads the disks; libguestfs takes seconds, and is asked where vmkin cannot' -r -f -a "auto\t'vmkin, or libguestfs for what it cannot read'
native\t'vmkin itself'
appliance\t'libguestfs'"
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -l consistent -d 'Refuse a guest that is not shut off, or is written to meanwhile'
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -l raw -d 'Print control characters to a terminal, too'
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand cat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -s a -l add -d 'An image, by its path; several are the disks of one guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -l format -d 'The format of images that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -l snapshot -d 'Look at an internal snapshot of the images' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -l engine -d 'What reads the disks; libguestfs takes seconds, and is asked where vmkin cannot' -r -f -a "auto\t'vmkin, or libguestfs for what it cannot read'
native\t'vmkin itself'
appliance\t'libguestfs'"
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -l consistent -d 'Refuse a guest that is not shut off, or is written to meanwhile'
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -s h -l human-readable -d 'Show sizes in units that people read, and not in blocks of 1 KiB'
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -s i -l inodes -d 'Show inodes and not space'
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -l csv -d 'Print comma-separated values'
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -l help -d 'Print help'
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand df" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -s a -l add -d 'An image, by its path; several are the disks of one guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -l format -d 'The format of images that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -l snapshot -d 'Look at an internal snapshot of the images' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -l engine -d 'What reads the disks; libguestfs takes seconds, and is asked where vmkin cannot' -r -f -a "auto\t'vmkin, or libguestfs for what it cannot read'
native\t'vmkin itself'
appliance\t'libguestfs'"
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -l consistent -d 'Refuse a guest that is not shut off, or is written to meanwhile'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -l owners -d 'Keep owners and set-user-id bits, too; only for root'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -l xattrs -d 'Keep extended attributes, too'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-out" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -s a -l add -d 'An image, by its path; several are the disks of one guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -l format -d 'The format of images that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -l snapshot -d 'Look at an internal snapshot of the images' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -l engine -d 'What reads the disks; libguestfs takes seconds, and is asked where vmkin cannot' -r -f -a "auto\t'vmkin, or libguestfs for what it cannot read'
native\t'vmkin itself'
appliance\t'libguestfs'"
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -l consistent -d 'Refuse a guest that is not shut off, or is written to meanwhile'
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -s r -l recursive -d 'Look into all files below directories'
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -s i -l ignore-case -d 'Take small and capital letters for the same'
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -s F -l fixed-strings -d 'Take the pattern as it is, and not for a regular expression'
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -s l -l files-with-matches -d 'Print only the names of the files'
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand grep" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -s a -l add -d 'An image, by its path; several are the disks of one guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -l format -d 'The format of images that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -l snapshot -d 'Look at an internal snapshot of the images' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -l engine -d 'What reads the disks; libguestfs takes seconds, and is asked where vmkin cannot' -r -f -a "auto\t'vmkin, or libguestfs for what it cannot read'
native\t'vmkin itself'
appliance\t'libguestfs'"
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -l name -d 'Files named like this, such as \'*.conf\'' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -l type -d 'Files of this kind' -r -f -a "file\t'A regular file'
directory\t'A directory'
link\t'A symbolic link'"
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -l mode -d 'Files that have all these bits of the mode, such as 4000' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -l uid -d 'Files of the user with this number' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -l min-size -d 'Files of this length or more, in bytes' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -l consistent -d 'Refuse a guest that is not shut off, or is written to meanwhile'
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -s 0 -l null -d 'End each path with a NUL and not with a line break, without the guest and unchanged'
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand find" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -s a -l add -d 'An image, by its path; several are the disks of one guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -l format -d 'The format of images that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -l snapshot -d 'Look at an internal snapshot of the images' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -l engine -d 'What reads the disks; libguestfs takes seconds, and is asked where vmkin cannot' -r -f -a "auto\t'vmkin, or libguestfs for what it cannot read'
native\t'vmkin itself'
appliance\t'libguestfs'"
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -l consistent -d 'Refuse a guest that is not shut off, or is written to meanwhile'
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -l quick -d 'Take files of one length that were changed at the same moment for the same'
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -s a -l add -d 'An image, by its path; several are the disks of one guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -l format -d 'The format of images that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -l snapshot -d 'Look at an internal snapshot of the images' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -l engine -d 'What reads the disks; libguestfs takes seconds, and is asked where vmkin cannot' -r -f -a "auto\t'vmkin, or libguestfs for what it cannot read'
native\t'vmkin itself'
appliance\t'libguestfs'"
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -s n -l lines -d 'How many lines' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -l consistent -d 'Refuse a guest that is not shut off, or is written to meanwhile'
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -s a -l add -d 'An image, by its path; several are the disks of one guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -l format -d 'The format of images that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -l snapshot -d 'Look at an internal snapshot of the images' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -l engine -d 'What reads the disks; libguestfs takes seconds, and is asked where vmkin cannot' -r -f -a "auto\t'vmkin, or libguestfs for what it cannot read'
native\t'vmkin itself'
appliance\t'libguestfs'"
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -l consistent -d 'Refuse a guest that is not shut off, or is written to meanwhile'
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand rescue" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -s a -l add -d 'An image, by its path; several are the disks of one guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -l format -d 'The format of images that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -l snapshot -d 'Look at an internal snapshot of the images' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -l engine -d 'What reads the disks; libguestfs takes seconds, and is asked where vmkin cannot' -r -f -a "auto\t'vmkin, or libguestfs for what it cannot read'
native\t'vmkin itself'
appliance\t'libguestfs'"
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -s o -l options -d 'Options as mount(8) has them: ro, rw, allow_other, noexec, nosuid, nodev' -r -f -a "ro\t'Read-only'
rw\t'For writing too'
allow_other\t'Let others look into it'
noexec\t'Run nothing that is there'
nosuid\t'Give no rights by set-id bits, as always'
nodev\t'Take no file for a device of this host, as always'"
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -l consistent -d 'Refuse a guest that is not shut off, or is written to meanwhile'
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -s r -l ro -d 'Mount for reading, which is what is done without it'
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -s w -l rw -d 'Mount for writing too, by libguestfs; what is written gets into the guest when it is unmounted'
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -l allow-other -d 'Let others than you look into it, as far as the modes of the files let them'
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -s f -l foreground -d 'Stay in the foreground; Ctrl-C unmounts'
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -l dry-run -d 'Show what would be mounted where, and mount nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -l list -d 'List what is mounted'
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand mount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand umount" -s d -l domain -d 'The guest, by the name or the UUID of its domain' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand umount" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand umount" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand umount" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand umount" -l all -d 'All guests that are mounted'
complete -c vmkin -n "__fish_vmkin_using_subcommand umount" -l discard -d 'Drop what was written: the guest stays as it was'
complete -c vmkin -n "__fish_vmkin_using_subcommand umount" -s l -l lazy -d 'Though somebody uses it: it goes when nobody does any more'
complete -c vmkin -n "__fish_vmkin_using_subcommand umount" -l dry-run -d 'Show what would be unmounted, and unmount nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand umount" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand umount" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand umount" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand umount" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand umount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -s a -l add -d 'An image, by its path; several are the disks of one guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -l format -d 'The format of images that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -l snapshot -d 'Look at an internal snapshot of the images' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -l engine -d 'What reads the disks; libguestfs takes seconds, and is asked where vmkin cannot' -r -f -a "auto\t'vmkin, or libguestfs for what it cannot read'
native\t'vmkin itself'
appliance\t'libguestfs'"
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -s e -l command -d 'Do this, and end; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -l consistent -d 'Refuse a guest that is not shut off, or is written to meanwhile'
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -l rw -d 'Change files, too; the guest must be shut off'
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -l guestfish -d 'Have guestfish work with the guest, on overlays and with what is mounted'
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand shell" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -s a -l add -d 'An image, by its path, as the only disk of a guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -s e -l expr -d 'Substitute in each line, as Perl and virt-edit do: \'s/PATTERN/TEXT/\', with g for all, i for any case; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -s b -l backup -d 'Keep what the file was beside it: \'.bak\' is put behind its name, and its name for \'*\' in \'old-*\'' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -l from -d 'Take the new contents from a file of the host; \'-\' is standard input' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -l isolate -d 'Start libguestfs for each guest, and not once for all of them'
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -l diff -d 'Show what changes, and ask'
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand edit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -s a -l add -d 'An image, by its path, as the only disk of a guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -l from -d 'Take the contents from a file of the host; \'-\' is standard input' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -l mode -d 'The mode of a new file, such as 0600' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -l isolate -d 'Start libguestfs for each guest, and not once for all of them'
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -l append -d 'Add it to what is in the file'
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand write" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -s a -l add -d 'An image, by its path, as the only disk of a guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -l isolate -d 'Start libguestfs for each guest, and not once for all of them'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand copy-in" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -s a -l add -d 'An image, by its path, as the only disk of a guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -l isolate -d 'Start libguestfs for each guest, and not once for all of them'
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand tar-in" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -s a -l add -d 'An image, by its path, as the only disk of a guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l plan -d 'A file in TOML or YAML with what is different for each guest, instead of the options below' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l known-hosts -d 'Add the keys of the SSH server to this file of the host, for `ssh` to know the guest by' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l hostname -d 'The host name, or a pattern such as \'{name}.lab\' or \'node-{n:02}\'' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l machine-id -d 'The machine id: \'new\', \'empty\' for one that the guest takes when it starts, or 32 hexadecimal digits' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l ssh-host-keys -d 'Give the SSH server other keys, or remove them for the guest to make others when it starts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l user -d 'Make a user, with a home, in these groups too; one that is there joins them; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l ssh-key -d 'Public keys that may log in as USER, or as root; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l root-password -d 'The password of root: file:FILE, with \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l password -d 'The password of a user that is there: USER:file:FILE, with \'-\' for standard input; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l timezone -d 'The time zone, such as Europe/Berlin' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l firstboot -d 'A script that the guest runs once when it starts; may be repeated' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l copy-in -d 'Copy a file or a tree of the host into a directory; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l write -d 'Write a file, with this text as it is; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l mkdir -d 'Make a directory, and those above it; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l delete -d 'Remove a file, or a directory with all that is in it, if it is there; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l network -d 'Give a network interface addresses, or DHCP: \'1,address=10.0.0.5/24,gateway=10.0.0.1\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l mac-pins -d 'Remove what binds networks to MAC addresses (\'remove\'), or bind it to those of the \'domain\', or OLD=NEW; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l instance-id -d 'The instance id of cloud-init: \'new\' for the UUID of the domain, or one; it begins anew then when the guest starts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l isolate -d 'Start libguestfs for each guest, and not once for all of them'
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l generalize -d 'Remove what clones must not share'
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand customize" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -s a -l add -d 'An image, by its path, as the only disk of a guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -l mode -d 'The mode of the new directories, such as 0700 or u=rwx,go=' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -l isolate -d 'Start libguestfs for each guest, and not once for all of them'
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -s p -l parents -d 'Make those above them too, and take those that are there'
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand mkdir" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -s a -l add -d 'An image, by its path, as the only disk of a guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -l isolate -d 'Start libguestfs for each guest, and not once for all of them'
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -s r -l recursive -d 'Remove directories too, with all that is in them'
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -s f -l force -d 'Say nothing of files that are not there'
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -s a -l add -d 'An image, by its path, as the only disk of a guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -l isolate -d 'Start libguestfs for each guest, and not once for all of them'
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand mv" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -s a -l add -d 'An image, by its path, as the only disk of a guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -l isolate -d 'Start libguestfs for each guest, and not once for all of them'
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -s s -l symbolic -d 'Make symbolic links'
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -s f -l force -d 'Take the place of what has the name, but for a directory'
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand ln" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -s a -l add -d 'An image, by its path, as the only disk of a guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -l isolate -d 'Start libguestfs for each guest, and not once for all of them'
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -l no-create -d 'Make no file that is not there'
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand touch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -s a -l add -d 'An image, by its path, as the only disk of a guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -l isolate -d 'Start libguestfs for each guest, and not once for all of them'
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -s R -l recursive -d 'Of directories, all that is in them too'
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand chmod" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -s d -l domain -d 'Guests, by name, UUID or id of the domain, or by a pattern such as \'web-*\'; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -s a -l add -d 'An image, by its path, as the only disk of a guest' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -l format -d 'The format of an image that no domain has' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -s m -l mount -d 'Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -l key -d 'The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or \'all\', and \'-\' for standard input' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -l isolate -d 'Start libguestfs for each guest, and not once for all of them'
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -l dry-run -d 'Show what would be changed, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -s R -l recursive -d 'Of directories, all that is in them too'
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand chown" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -f -a "create" -d 'Make a snapshot of a guest'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -f -a "list" -d 'List the snapshots of a guest, or those in an image'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -f -a "ls" -d 'List the snapshots of a guest, or those in an image'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -f -a "show" -d 'Show all that is known of one snapshot'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -f -a "apply" -d 'Take the disks of a guest back to a snapshot: all of them, or none'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -f -a "revert" -d 'Take the disks of a guest back to a snapshot: all of them, or none'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -f -a "delete" -d 'Delete a snapshot from all disks of a guest that is shut off'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -f -a "rm" -d 'Delete a snapshot from all disks of a guest that is shut off'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and not __fish_seen_subcommand_from create list ls show apply revert delete rm help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -s d -l domain -d 'A domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -s a -l add -d 'An image that no domain has, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -s f -l format -d 'The format of that image: it is not guessed' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -l description -d 'A text that is kept with it' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -l external -d 'Leave the images as they are, and have the guest go on in new overlays'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -l live -d 'An external one of a guest that runs: the disks as after a power failure'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -l quiesce -d 'With --live: have the guest agent freeze the file systems for that moment'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -l memory -d 'Of a guest that runs or is paused, with its memory'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -l dry-run -d 'Show where it would be, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from list" -s d -l domain -d 'A domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from list" -s a -l add -d 'An image that no domain has, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from list" -s f -l format -d 'The format of that image: it is not guessed' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from list" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from list" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -s d -l domain -d 'A domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -s a -l add -d 'An image that no domain has, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -s f -l format -d 'The format of that image: it is not guessed' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from show" -s d -l domain -d 'A domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from show" -s a -l add -d 'An image that no domain has, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from show" -s f -l format -d 'The format of that image: it is not guessed' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from show" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from show" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from show" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from show" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from show" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from show" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -s d -l domain -d 'A domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -s a -l add -d 'An image that no domain has, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -s f -l format -d 'The format of that image: it is not guessed' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -l running -d 'Of one with memory: go on with the processors running, even if they were stopped'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -l paused -d 'Of one with memory: go on with the processors stopped'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -l dry-run -d 'Show what would go back, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -s d -l domain -d 'A domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -s a -l add -d 'An image that no domain has, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -s f -l format -d 'The format of that image: it is not guessed' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -l running -d 'Of one with memory: go on with the processors running, even if they were stopped'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -l paused -d 'Of one with memory: go on with the processors stopped'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -l dry-run -d 'Show what would go back, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from revert" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from delete" -s d -l domain -d 'A domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from delete" -s a -l add -d 'An image that no domain has, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from delete" -s f -l format -d 'The format of that image: it is not guessed' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from delete" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from delete" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from delete" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from delete" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from delete" -l dry-run -d 'Show what would go, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from delete" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from delete" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from delete" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from delete" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -s d -l domain -d 'A domain, by name, UUID or id' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -s a -l add -d 'An image that no domain has, by its path' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -s f -l format -d 'The format of that image: it is not guessed' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l allow-dir -d 'Trust backing files in this directory too' -r -F
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l dry-run -d 'Show what would go, and change nothing'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make a snapshot of a guest'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the snapshots of a guest, or those in an image'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show all that is known of one snapshot'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "apply" -d 'Take the disks of a guest back to a snapshot: all of them, or none'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Delete a snapshot from all disks of a guest that is shut off'
complete -c vmkin -n "__fish_vmkin_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c vmkin -n "__fish_vmkin_using_subcommand doctor" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand doctor" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand doctor" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand doctor" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand doctor" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand doctor" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand doctor" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand recover" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand recover" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand recover" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand recover" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand recover" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand recover" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand recover" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand recover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand completions" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand completions" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand completions" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand completions" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand completions" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand completions" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand completions" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand man" -s c -l connect -d 'Connect to the hypervisor at this libvirt URI' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand man" -l host -d 'Connect to this host, or to all of this group, of hosts.toml; may be repeated' -r
complete -c vmkin -n "__fish_vmkin_using_subcommand man" -l color -d 'When to use colours; NO_COLOR is heeded too' -r -f -a "auto\t''
always\t''
never\t''"
complete -c vmkin -n "__fish_vmkin_using_subcommand man" -l json -d 'Print the result as one JSON document'
complete -c vmkin -n "__fish_vmkin_using_subcommand man" -s q -l quiet -d 'Print only results, warnings and errors'
complete -c vmkin -n "__fish_vmkin_using_subcommand man" -s v -l verbose -d 'Show the programs that are run, such as qemu-img; may be repeated'
complete -c vmkin -n "__fish_vmkin_using_subcommand man" -s y -l yes -d 'Do what cannot be undone without asking'
complete -c vmkin -n "__fish_vmkin_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "list" -d 'List all domains'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "show" -d 'Show all that is known of a domain'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "tree" -d 'Draw which images and domains depend on which'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "clone" -d 'Make clones of a golden domain'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "import" -d 'Make guests of disk images, in the words of virt-install'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "template" -d 'Templates of domains: what there is, and what they make'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "start" -d 'Start domains'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "shutdown" -d 'Ask guests to shut down'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "reboot" -d 'Ask guests to reboot'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "suspend" -d 'Stop the processors of domains'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "resume" -d 'Let paused domains go on'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "save" -d 'Write the memory of guests to the disk, and end them'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "restore" -d 'Let saved guests go on where they were'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "destroy" -d 'Pull the plug of domains'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "ip" -d 'Print the addresses of guests'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "reset" -d 'Drop what guests have written: back to the base image, in milliseconds'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "delete" -d 'Delete guests: their definitions, and the files that are theirs alone'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "base" -d 'Look after the images that clones are based on'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "flatten" -d 'Make guests independent of their bases'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "promote" -d 'Make a golden domain of a guest'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "export" -d 'Print guests as what KubeVirt, Terraform or another libvirt reads'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "migrate" -d 'Bring guests to another host, with the same storage or copies of it'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "prune" -d 'Find overlays, seeds and temporary files that no domain has, and remove them'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "disk" -d 'Work on the disks of guests, or on images'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "image" -d 'Make images'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "inspect" -d 'Tell what guests are: operating system, mounts, kernels, users, packages'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "ls" -d 'List files of guests'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "cat" -d 'Print files of guests'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "df" -d 'Show how full the file systems of guests are'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "copy-out" -d 'Copy files and directories of a guest to the host'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "grep" -d 'Look for lines in files of guests'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "find" -d 'Look for files of guests'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "diff" -d 'Tell which files differ between two guests'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "log" -d 'Print the end of a guest\'s system log'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "rescue" -d 'Find out why a guest does not boot'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "mount" -d 'Mount the file systems of a guest on a directory'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "umount" -d 'Unmount guests'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "shell" -d 'Work with the files of a guest line by line'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "edit" -d 'Edit files of guests that are shut off'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "write" -d 'Write a file of guests that are shut off'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "copy-in" -d 'Copy files and directories of the host into guests that are shut off'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "tar-in" -d 'Unpack a tar archive into guests that are shut off'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "customize" -d 'Give guests that are shut off a name, keys, passwords and files of their own'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "mkdir" -d 'Make directories in guests that are shut off'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "rm" -d 'Remove files from guests that are shut off'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "mv" -d 'Move files of guests that are shut off, or give them other names'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "ln" -d 'Make links in guests that are shut off'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "touch" -d 'Make empty files in guests that are shut off, or set the times of files'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "chmod" -d 'Give files of guests that are shut off another mode'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "chown" -d 'Give files of guests that are shut off another owner'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "snapshot" -d 'Make snapshots of guests, and go back to them: all disks, or none'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "doctor" -d 'Find out what this host lacks, and how to get it'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "recover" -d 'Finish or take back what an interrupted vmkin left behind'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "completions" -d 'Print the completion script for a shell'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "man" -d 'Write the manual pages into a directory'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and not __fish_seen_subcommand_from list show tree clone import template start shutdown reboot suspend resume save restore destroy ip reset delete base flatten promote export migrate prune disk image inspect ls cat df copy-out grep find diff log rescue mount umount shell edit write copy-in tar-in customize mkdir rm mv ln touch chmod chown snapshot doctor recover completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from template" -f -a "list" -d 'List the templates'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from template" -f -a "show" -d 'Print the text of a template'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from template" -f -a "render" -d 'Print the XML that a template makes of a made-up guest'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from base" -f -a "seal" -d 'Seal base images: make them read-only and remember what they look like'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from base" -f -a "unseal" -d 'Open the seals of base images that have no children'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from base" -f -a "verify" -d 'Find out whether base images are what they were'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from base" -f -a "list" -d 'List the base images of this host'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from base" -f -a "children" -d 'List what depends on base images'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from base" -f -a "move" -d 'Give a base image another place, and have all its children follow'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from base" -f -a "rebase" -d 'Put the children of a base on another one'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from base" -f -a "push" -d 'Send base images to other hosts, through libvirt'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from disk" -f -a "amend" -d 'Change what qcow2 images are, and none of their data'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from disk" -f -a "check" -d 'Check the tables of images, and repair them'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from disk" -f -a "commit" -d 'Put what an overlay holds into the image that it is based on'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from disk" -f -a "compare" -d 'Tell whether two disks are the same to a guest, and if not, where they differ'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from disk" -f -a "convert" -d 'Read a disk, with all that is below it, into an image of its own'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from disk" -f -a "create" -d 'Make a new disk with nothing in it, or an overlay on another image'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from disk" -f -a "info" -d 'Tell what disks are made of: the images of their chains, and who uses them'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from disk" -f -a "map" -d 'Tell which part of a disk is in which image'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from disk" -f -a "rebase" -d 'Put an overlay on another base, where it reads what it read before'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from disk" -f -a "resize" -d 'Make a disk larger or smaller, with what is on it'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from image" -f -a "build" -d 'Make a new disk, CD or floppy, with files in it'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from snapshot" -f -a "create" -d 'Make a snapshot of a guest'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from snapshot" -f -a "list" -d 'List the snapshots of a guest, or those in an image'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from snapshot" -f -a "show" -d 'Show all that is known of one snapshot'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from snapshot" -f -a "apply" -d 'Take the disks of a guest back to a snapshot: all of them, or none'
complete -c vmkin -n "__fish_vmkin_using_subcommand help; and __fish_seen_subcommand_from snapshot" -f -a "delete" -d 'Delete a snapshot from all disks of a guest that is shut off'
