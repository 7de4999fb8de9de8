#!/usr/bin/env bash
# Follow the README on a new machine: Debian from nothing, with what the README's apt line
# names and nothing else, as a user who is not root.
#
#   python/tests/fresh/debian.sh [OPTION VALUE]... [SUITE [FOLDER]]
#
# SUITE        trixie (default), bookworm, ...
# FOLDER       the machine; it must not be there yet, and is kept (default: /srv/fresh-SUITE)
# --python     python3.12: from the suite's packages; a folder with bin/python3: put in /opt/python
# --cmdstan    folder of a CmdStan that was built on a system that is no newer: put in /opt/cmdstan
# --make       only this goal, instead of help, all, test, all again, and all in a copy
# --mirror, --script, --components
#              for a suite that debootstrap does not know: where it is, a suite that is like it,
#              and what it consists of; for Ubuntu http://archive.ubuntu.com/ubuntu, gutsy and
#              main,universe
#
# Needs root, debootstrap and git. It tests what is committed.
# Proxies, certificates and pip's settings are taken over from the environment, apt's from
# /etc/apt/apt.conf.d.
set -euo pipefail

fail() { echo "error: $*" >&2; exit 1; }

python=python3 cmdstan='' goal='' mirror='' script='' components=''
options=()
while [[ ${1-} == --* ]]; do
    case $1 in
        --python) python=${2:?} ;;
        --cmdstan) cmdstan=${2:?} ;;
        --make) goal=${2:?} ;;
        --mirror) mirror=${2:?} ;;
        --script) script=${2:?} ;;
        --components) components=${2:?} ;;
        *) fail "$1: unknown; the comment at the top of $0 names the options" ;;
    esac
    options+=("$1" "$2")
    shift 2
done
suite=${1:-trixie}
machine=$(realpath -m "${2:-/srv/fresh-$suite}")
checkout=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
[[ $(id -u) == 0 ]] || fail "only root can make a machine"
[[ ! -e $machine ]] || fail "$machine is there already; remove it or name another folder"

# Once more with mounts of its own, which the kernel takes away whatever ends the script.
if [[ ! ${ALONE-} ]]; then
    ALONE=yes exec unshare --mount --propagation private "$0" "${options[@]}" "$suite" "$machine"
fi
[[ ! $(git -C "$checkout" status --porcelain) ]] || echo "note: only what is committed is tested" >&2

times=()
doing=
trap '[[ $? == 0 ]] || echo "error: failed: $doing; the machine is $machine" >&2' EXIT
step() { # NAME COMMAND...
    doing=$1
    local from=$SECONDS
    shift
    echo "== $doing" >&2
    "$@"
    times+=("$(printf '%6d s  %s' $((SECONDS - from)) "$doing")")
}

settings=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb)
for name in {http,https,ftp,all,no}_proxy {HTTP,HTTPS,FTP,ALL,NO}_PROXY \
    {SSL_CERT_FILE,SSL_CERT_DIR,REQUESTS_CA_BUNDLE,CURL_CA_BUNDLE,GIT_SSL_CAINFO} \
    PIP_{INDEX_URL,EXTRA_INDEX_URL,TRUSTED_HOST,CERT,PROXY,DEFAULT_TIMEOUT,RETRIES}; do
    [[ ! ${!name-} ]] || settings+=("$name=${!name}")
done

as_root() { chroot "$machine" env -i "${settings[@]}" DEBIAN_FRONTEND=noninteractive "$@"; }

as_user() { # SCRIPT, run in the clone
    chroot --userspec=stranger:stranger "$machine" env -i "${settings[@]}" HOME=/home/stranger \
        ${cmdstan:+CMDSTAN=/opt/cmdstan} bash -euo pipefail -c "cd ~/radon; $1"
}

machine_from_nothing() {
    debootstrap --variant=minbase ${components:+--components="$components"} \
        "$suite" "$machine" ${mirror:+"$mirror"} ${script:+"$script"} >&2
    mount -t proc proc "$machine/proc"
    mount --rbind /dev "$machine/dev"
    grep -lsZ Acquire /etc/apt/apt.conf.d/* | xargs -0r cp -t "$machine/etc/apt/apt.conf.d"
    chroot "$machine" useradd --create-home --shell /bin/bash stranger
}

packages() {
    local line
    line=$(grep -om1 'apt-get install [a-z0-9+. -]*' "$checkout/README.md")
    [[ $python != python3.* ]] || line+=" $python-venv"
    as_root apt-get update >&2
    # shellcheck disable=SC2086 # the words of a command
    as_root ${line/install/install --yes} >&2
    # With the certificates of this site, where the variables above look for them.
    cp -L /etc/ssl/certs/ca-certificates.crt "$machine/etc/ssl/certs/"
}

clone() {
    git clone --quiet "$checkout" "$machine/home/stranger/radon"
    if [[ -d $python ]]; then
        cp -a "$python" "$machine/opt/python"
        python=/opt/python/bin/python3
    fi
    [[ ! $cmdstan ]] || cp -a "$cmdstan" "$machine/opt/cmdstan"
    chroot "$machine" chown -R stranger:stranger /home/stranger
}

step "debootstrap $suite" machine_from_nothing
step "apt-get install" packages
step "git clone" clone
make=make
[[ $python == python3 ]] || make+=" PYTHON3=$python"
if [[ $goal ]]; then
    step "make $goal" as_user "$make $goal"
else
    step "make help" as_user "$make help"
    step "make all" as_user "$make all"
    step "make test" as_user "$make test"
    step "make all, which does nothing" as_user "$make all | tee /dev/stderr | grep '^make: Nothing'"
    step "make all in a copy" as_user "cp -r . ../copy; cd ../copy; $make all"
fi
doing="listing what there is"
as_user "head -n 1 /etc/os-release; .venv/bin/python --version; g++ --version | head -n 1
    make --version | head -n 1; du -shc .venv ~/.cmdstan data/fits reports 2>/dev/null || true"
printf '%s\n' "${times[@]}"
