#!/usr/bin/env bash
# Builds the sdist and from it the wheel, installs the wheel in a fresh
# environment, and does there, in a folder of its own, what users do.
#
#   bash tests/wheel/smoke.sh PYTHON FOLDER
#
# PYTHON is an interpreter that has the extra `test`, FOLDER takes 3 GB.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
python=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
unset PYTHONPATH

"$python" -m build --outdir "$folder/dist" "$root"
"$python" -m venv "$folder/venv"
"$python" -m venv "$folder/lift"
fresh=$folder/venv/bin
"$fresh/pip" install --quiet --constraint "$root/constraints.txt" "$folder"/dist/*.whl mypy

echo "Every file of the package is in the wheel."
list() {
    (cd "$1" && find ampose_tf -type f -not -path '*/__pycache__/*' | sort)
}
diff <(list "$root") <(list "$folder"/venv/lib/python*/site-packages)

mkdir "$folder/user"
cd "$folder/user"
cp "$root/docs/walking.npz" "$root/tests/wheel/user_program.py" .

echo "The command helps and lifts."
"$fresh/ampose-lift" --help >help.txt
grep --quiet -e --keypoints: help.txt
"$fresh/ampose-lift" --keypoints=walking.npz --output=lifted --formats=npz,html
grep --quiet '<canvas' lifted/walking.html
test -s lifted/walking.npz

echo "A user's program runs and is typed."
"$fresh/python" user_program.py walking.npz
"$fresh/mypy" --strict user_program.py
echo "It lifts without TensorFlow where requirements-lift.txt is installed."
fresh=$folder/lift/bin
"$fresh/pip" install --quiet --constraint "$root/constraints.txt" --requirement "$root/requirements-lift.txt"
"$fresh/pip" install --quiet --no-deps "$folder"/dist/*.whl
"$fresh/pip" list >packages.txt
if grep --ignore-case -e '^tensorflow' -e '^keras' packages.txt; then exit 1; fi
"$fresh/ampose-lift" --keypoints=walking.npz --output=light --formats=npz,png,bvh,html
cmp light/walking.bvh <("$folder/venv/bin/python" -c '
import ampose_tf
(path,) = ampose_tf.load_motion("lifted/walking.npz").save("again.bvh")
print(path.read_text(), end="")
')
echo "The wheel works."
