#!/usr/bin/env bash
# The paper's four tables, from the downloads to the printed rows.
#
#   bash benchmarks/reproduce.sh --size=small
#   bash benchmarks/reproduce.sh --size=paper --dry_run
#
# small: generated motion in the layouts of the downloads, small networks, one
# epoch: minutes on two cores; it shows that the chain holds, and its figures
# mean nothing. paper: the official downloads, which must lie in
# downloads/human36m and downloads/mpi_inf_3dhp_test_set, CPN's detections in
# data/, and a GPU. --output=DIR is where data, runs and tables go, by default
# reproduced for small and . for paper; --dry_run prints the commands.
set -euo pipefail

size=""
output=""
dry_run=""
for argument in "$@"; do
  case "$argument" in
    --size=small | --size=paper) size="${argument#--size=}" ;;
    --output=?*) output="${argument#--output=}" ;;
    --dry_run) dry_run=1 ;;
    *) echo "reproduce.sh: unexpected $argument; see the script's head" >&2
       exit 2 ;;
  esac
done
if [ -z "$size" ]; then
  echo "reproduce.sh: --size=small or --size=paper is missing" >&2
  exit 2
fi

run() {
  echo "+ $*"
  [ -n "$dry_run" ] || "$@"
}

if [ -z "$output" ]; then
  output="."
  [ "$size" = paper ] || output="reproduced"
fi
downloads="downloads"
data="${output%/}/data"
runs="${output%/}/runs"
tables="${output%/}/tables"
smaller=()
if [ "$size" = small ]; then
  downloads="${output%/}/downloads"
  smaller=(
    --config.model.depth=2 --config.model.width=32
    --config.train.epochs=1 --config.train.learning_rate=0.001
    --config.data.train_stride=2
  )
  run python -m benchmarks.downloads --output="$downloads" --frames=40
fi

run python -m ampose_tf.data.prepare human36m \
  --source="$downloads/human36m" --output="$data"
run python -m ampose_tf.data.prepare mpi_inf_3dhp \
  --source="$downloads/mpi_inf_3dhp_test_set" --output="$data"
if [ "$size" = small ]; then
  run cp "$downloads/human36m/data_2d_h36m_cpn_ft_h36m_dbb.npz" "$data"
fi

train() {
  run python train.py --config="configs/$1.py" --config.data.root="$data" \
    --workdir="$runs/$1" ${smaller[@]+"${smaller[@]}"} "${@:2}"
}

# Prints and writes table $1 by config $2: our rows are the models of $3...
table() {
  local models=()
  local name
  for name in "${@:3}"; do
    models+=(--model="$runs/$name/last.keras")
  done
  run python evaluate.py --config="configs/$2.py" \
    --config.data.root="$data" --table="$1" "${models[@]}" \
    --report="$tables/table_$1_$2.json"
}

for name in h36m_cpn_17 h36m_cpn_16 h36m_gt_17 h36m_gt_16 \
  h36m_cpn_17_two_residual h36m_cpn_17_transformer h36m_cpn_17_convnext; do
  train "$name"
done
train h36m_cpn_17_refined \
  --config.train.lifter="$runs/h36m_cpn_17/last.keras"

table 1 h36m_cpn_17 h36m_cpn_17 h36m_cpn_17_refined
table 1 h36m_cpn_16 h36m_cpn_16
table 2 h36m_gt_17 h36m_gt_17
table 2 h36m_gt_16 h36m_gt_16
table 3 mpi_inf_3dhp h36m_gt_17 h36m_cpn_17
table 4 h36m_cpn_17 h36m_cpn_17 h36m_cpn_17_two_residual \
  h36m_cpn_17_transformer h36m_cpn_17_convnext
run python -m ampose_tf.models.complexity
run python -m ampose_tf.evaluation.figure \
  --poses="$tables/table_2_h36m_gt_17_poses.npz" --output="$tables/figure_4"
