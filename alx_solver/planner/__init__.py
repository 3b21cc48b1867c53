"""What a training run will need, before it runs: memory and bytes a device, seconds an epoch, and whether it fits.

A real matrix is laid out by the trainer's own host plan (`matrix_load.py`), so that its bytes are exact; of a shape
alone rows, columns and entries are known, and the rest is a model (`shape_load.py`). `training_plan.py` puts them
together.
"""

from alx_solver.planner.device_profile import PROFILES as PROFILES
from alx_solver.planner.device_profile import DeviceProfile as DeviceProfile
from alx_solver.planner.training_plan import PlanOptions as PlanOptions
from alx_solver.planner.training_plan import TrainingPlan as TrainingPlan
from alx_solver.planner.training_plan import plan_matrix as plan_matrix
from alx_solver.planner.training_plan import plan_shape as plan_shape
