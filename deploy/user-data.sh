#!/usr/bin/env bash
# cloud-init for a bare Debian or Ubuntu: installs Docker, fetches Latchkey, starts it, and starts it at each boot.
# Set the values below and give this file to the server as its user data. If it is run again, it updates the server to
# REVISION. It opens only port 80, which nginx publishes; docs/deployment.md describes TLS.
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

# Docker from the distribution, with Compose under the name that it has there.
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

# Checks out REVISION of the project in FOLDER. Files that git does not know, such as .env and an override, stay.
fetch() {
  [ -d "$FOLDER/.git" ] || git clone --quiet --no-checkout "$REPOSITORY" "$FOLDER"
  git -C "$FOLDER" fetch --quiet --tags "$REPOSITORY"
  git -C "$FOLDER" checkout --quiet --detach "$REVISION"
}

# The stack generates its own secrets; .env has only what it cannot know. An existing .env is left unchanged.
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
