#!/usr/bin/env bash
# A SLURM of this one machine, with a stand-in GPU, for tests. usage: slurm.sh check|install|start|stop FOLDER
# FOLDER keeps pid files, logs and the /etc/slurm that was there before. Root on Debian only.
set -euo pipefail

check() { # tells why not, in one line, and fails where SLURM cannot be had
    if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
        echo "SLURM is installed and started by root on Debian only"
    elif pgrep -x slurmctld > /dev/null || pgrep -x slurmd > /dev/null; then
        echo "a SLURM is running on this machine already: it is left alone"
    else
        return 0
    fi
    return 1
}

install() {
    if ! command -v slurmctld > /dev/null || ! command -v slurmd > /dev/null || ! command -v munged > /dev/null; then
        echo "installing SLURM: slurm-wlm munge"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge > /dev/null
    fi
}

configuration() { # 127.0.0.1 and NoInAddrAny: nothing of this is reachable from outside
    local host=$1 folder=$2
    cat << END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SchedulerParameters=sched_interval=1,batch_sched_delay=0
GresTypes=gpu
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo) Gres=gpu:1
PartitionName=test Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
}

start() {
    local folder=$1 host
    host=$(hostname -s)
    mkdir -p "$folder/state" "$folder/spool"
    if [ -e /etc/slurm ]; then
        mv /etc/slurm "$folder/etc-before"
    fi
    touch "$folder/etc-is-ours"
    mkdir -p /etc/slurm
    configuration "$host" "$folder" > /etc/slurm/slurm.conf
    echo "NodeName=$host Name=gpu File=/dev/null" > /etc/slurm/gres.conf # the stand-in
    if [ ! -S /run/munge/munge.socket.2 ]; then
        munge_folders
        setpriv --reuid=munge --regid=munge --clear-groups munged
        cp /run/munge/munged.pid "$folder/" # only what was started here is stopped here
    fi
    slurmctld
    slurmd -N "$host"
    for _ in $(seq 60); do
        [ "$(sinfo --noheader --format=%T 2> /dev/null)" = idle ] && return 0
        sleep 0.5
    done
    echo "SLURM did not come up; its logs:" >&2
    tail -n 20 "$folder"/slurm*.log >&2
    return 1
}

munge_folders() {
    local name
    for name in /run/munge /var/log/munge /var/lib/munge; do
        mkdir -p "$name"
        chown munge:munge "$name"
    done
    chmod 755 /run/munge
}

stop() { # by pid files; what was not started is not stopped
    local folder=$1 name pid
    if [ -e "$folder/etc-is-ours" ]; then
        timeout 10 scancel --user="$(id -un)" 2> /dev/null || true # what an interrupted run left
    fi
    for name in slurmd slurmctld munged; do
        pid=$(cat "$folder/$name.pid" 2> /dev/null) || continue
        kill "$pid" 2> /dev/null || continue
        for _ in $(seq 40); do
            kill -0 "$pid" 2> /dev/null || break
            sleep 0.25
        done
        kill -9 "$pid" 2> /dev/null || true
    done
    [ -e "$folder/etc-is-ours" ] || return 0 # never started
    rm -rf /etc/slurm
    if [ -e "$folder/etc-before" ]; then
        mv "$folder/etc-before" /etc/slurm
    fi
}

"$@"
