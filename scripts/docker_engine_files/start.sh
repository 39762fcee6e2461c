#!/bin/sh
# Starts the engine, and beside it the mirror of docker.io if there is something to serve.
set -eu
cgroups=/sys/fs/cgroup
if [ -e "$cgroups/cgroup.controllers" ] && [ -e "$cgroups/cgroup.type" ]; then
	# cgroup v2 in a namespace: a group with processes can't hand controllers down.
	mkdir -p "$cgroups/engine"
	echo $$ >"$cgroups/engine/cgroup.procs"
	echo 1 >"$cgroups/engine/cgroup.procs"
	for name in $(cat "$cgroups/cgroup.controllers"); do
		echo "+$name" >"$cgroups/cgroup.subtree_control" || true
	done
fi
config=/tmp/engine.toml
cp /etc/dagger/engine.toml "$config"
if [ -d /registry/docker ]; then
	docker-registry serve /etc/dagger/registry.yml &
	cat >>"$config" <<-END
		[registry."docker.io"]
		  mirrors = ["127.0.0.1:5000"]
		[registry."127.0.0.1:5000"]
		  http = true
	END
fi
exec /run/orkee/bin/dagger-engine --config "$config" --addr unix:///run/dagger/engine.sock \
	--oci-cni-binary-dir /usr/lib/cni
