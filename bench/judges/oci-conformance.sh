#!/bin/sh
# What the OCI conformance suite says of the registry: `oci-conformance.sh SUITE SERVER KEY`.
#
# SUITE is the program that `go build` makes of the folder conformance/ of opencontainers/distribution-spec (its main branch; Go 1.24).
# Everything of version 1.1 is asked for but digests by SHA-512: the specification leaves other algorithms open, and a digest is a SHA-256
# here. Exit code 1 when anything fails; the report stays in the folder that is printed.
set -eu
suite=$(realpath "$1")
server=$2
results=$(mktemp -d)
cd "$results"
status=0
OCI_REGISTRY=${server#*://} \
  OCI_TLS=$(case $server in https://*) echo enabled ;; *) echo disabled ;; esac) \
  OCI_REPO1=conformance/one OCI_REPO2=conformance/two \
  OCI_USERNAME=platen OCI_PASSWORD=$3 \
  OCI_VERSION=1.1 OCI_RESULTS_DIR=$results \
  OCI_DATA_SHA512=false \
  OCI_API_BLOBS_DIGEST_HEADER=true OCI_API_MANIFESTS_DIGEST_HEADER=true OCI_API_BLOBS_UPLOAD_CANCEL=true \
  "$suite" >"$results/output.txt" 2>&1 || status=1
grep 'failed test' "$results/output.txt" || true
sed -n '/OCI Conformance Result/,$p' "$results/output.txt"
echo "The report is in $results."
exit $status
