#!/usr/bin/env bash
# cloud-init for a bare Debian or Ubuntu: installs Docker, fetches Latchkey, starts it, and starts it at each boot.
# Set the values below and hand this file to the server as its user data. It can be run again: then it brings the
# server to REVISION. It opens nothing but what nginx publishes, port 80; docs/deployment.md explains TLS.
set -euo pipefail

REPOSITORY=${REPOSITORY:-} # where the project is cloned from
REVISION=${REVISION:-}     # the tag or commit that runs
PUBLIC_URL=${PUBLIC_URL:-} # the address under which clients reach the service, like https://auth.example.com
OVERLAYS=${OVERLAYS:-}     # of deploy/compose/, separated by spaces: none is the default stack
FOLDER=${FOLDER:-/opt/latchkey}
UNITS=${UNITS:-/etc/systemd/system}

main() {
  local name
  for name in REPOSITORY REVISION PUBLIC_URL; do
    [ -n "${!name}" ] || fail "$name is not set: set it at the top of this file."
  done
  install_packages
  fetch
  write_settings
  write_unit
  systemctl daemon-reload
  systemctl enable docker.service latchkey.service
  systemctl restart latchkey.service
}

# Docker of the distribution, with Compose as it is called there.
install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  local packages=(ca-certificates git docker.io)
  local name
  for name in docker-cli docker-buildx; do # parts of docker.io where they are not packages
    ! available "$name" || packages+=("$name")
  done
  if available docker-compose-v2; then
    packages+=(docker-compose-v2)
  else
    packages+=(docker-compose)
  fi
  apt-get install -y -q --no-install-recommends "${packages[@]}"
}

available() {
  [ -n "$(apt-cache show "$1" 2>/dev/null)" ]
}

# REVISION of the project in FOLDER. What lies there beside it, .env and an override, stays.
fetch() {
  [ -d "$FOLDER/.git" ] || git clone --quiet --no-checkout "$REPOSITORY" "$FOLDER"
  git -C "$FOLDER" fetch --quiet --tags "$REPOSITORY"
  git -C "$FOLDER" checkout --quiet --detach "$REVISION"
}

# The stack makes its secrets by itself; .env says only what it cannot know. One that is there is left alone.
write_settings() {
  [ -e "$FOLDER/.env" ] || (
    umask 077
    printf 'PUBLIC_URL=%s\n' "$PUBLIC_URL" >"$FOLDER/.env"
  )
}

write_unit() {
  cat >"$UNITS/latchkey.service" <<EOF
[Unit]
Description=Latchkey, the authentication service
Requires=docker.service
After=docker.service network-online.target
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
WorkingDirectory=$FOLDER
ExecStart=$FOLDER/start.sh $OVERLAYS
TimeoutStartSec=30min

[Install]
WantedBy=multi-user.target
EOF
}

fail() {
  echo "$*" >&2
  exit 1
}

main "$@"
