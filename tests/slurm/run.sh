#!/usr/bin/env bash
# Sweeps on a real Slurm: a cluster of this one machine, set up in a temporary folder, and torn down.
# Needs root and Debian's slurm-wlm and munge, which it installs if it can; else it says so and ends.
set -euo pipefail
cd "$(dirname "$0")/../.."
skip() { echo "Slurm tests SKIPPED: $1"; exit 0; }
[ "$(id -u)" = 0 ] || skip "a cluster of one's own takes root"
if ! command -v slurmctld slurmd munged sbatch > /dev/null; then
    command -v apt-get > /dev/null || skip "no Slurm, and no apt-get to install it"
    export DEBIAN_FRONTEND=noninteractive
    timeout 60 apt-get update -qq || skip "apt-get update failed"
    timeout 120 apt-get install -qq -y slurm-wlm munge > /dev/null || skip "Slurm does not install"
fi

cluster=$(mktemp -d)
end() {
    status=$?
    scancel --user=root 2> /dev/null || true
    for _ in $(seq 60); do [ -z "$(squeue -h 2> /dev/null)" ] && break; sleep 0.5; done
    for daemon in slurmctld slurmd munge/munged; do
        pid=$(cat "$cluster/$daemon.pid" 2> /dev/null) || continue
        kill "$pid" 2> /dev/null || true
        for _ in $(seq 50); do kill -0 "$pid" 2> /dev/null || break; sleep 0.2; done
        kill -9 "$pid" 2> /dev/null || true
    done
    if [ $status != 0 ]; then tail -n 20 "$cluster"/*.log || true; fi
    rm -rf "$cluster"
    exit $status
}
trap end EXIT
trap 'exit 130' INT TERM

chmod 755 "$cluster"
mkdir "$cluster"/{munge,state,spool}
head -c 1024 /dev/urandom > "$cluster/munge/key"
chmod 400 "$cluster/munge/key"
chmod 711 "$cluster/munge"
chown -R munge "$cluster/munge"
runuser -u munge -- munged --socket="$cluster/munge/socket" --key-file="$cluster/munge/key" \
    --pid-file="$cluster/munge/munged.pid" --log-file="$cluster/munge/log" \
    --seed-file="$cluster/munge/seed"

read -r controller daemon < <(python - <<'END'
import socket
sockets = [socket.socket() for _ in range(2)]
for one in sockets:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))
END
)
host=$(hostname -s)
cat > "$cluster/slurm.conf" <<END
ClusterName=ctrnn
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller
SlurmdPort=$daemon
# A requeued job waits until its credential has expired: 5 s here, 2 min by default.
AuthInfo=socket=$cluster/munge/socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
KillWait=10
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmdPidFile=$cluster/slurmd.pid
SlurmctldLogFile=$cluster/slurmctld.log
SlurmdLogFile=$cluster/slurmd.log
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/spool
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc)
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF="$cluster/slurm.conf"
export JAX_COMPILATION_CACHE_DIR="$cluster/compiled" JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0.1
slurmctld
slurmd
for _ in $(seq 60); do [ "$(sinfo -h -o %T 2> /dev/null)" = idle ] && break; sleep 0.5; done
sinfo --version
timeout 30 srun true
CTRNN_SLURM=1 python -m pytest tests/slurm -n 0 --durations 0 -rA "$@"
