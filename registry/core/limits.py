"""Every limit the registry keeps, with its unit in the name."""

from typing import Final

REQUEST_BYTES_MAX: Final = 1 << 20
WORKFLOW_BYTES_MAX: Final = 256 << 10
NODES_MAX: Final = 1_000
GRAPH_DEPTH_MAX: Final = 32
PROMPT_BYTES_MAX: Final = 32 << 10
MESSAGE_BYTES_MAX: Final = 4 << 10
PAYLOAD_BYTES_MAX: Final = 64 << 10
RESULT_BYTES_MAX: Final = 4 << 10
BAG_BYTES_MAX: Final = 256 << 10
MUTATION_BYTES_MAX: Final = 4 << 20
ARTIFACT_BYTES_MAX: Final = 10 << 20
GOAL_BYTES_MAX: Final = 4 << 10
TAGS_MAX: Final = 20
DEPENDS_ON_MAX: Final = 100
NESTING_MAX: Final = 100
"""How deep lists and objects of a caller may stand in each other. What is read from disk may be twice as deep."""

LEASE_S_DEFAULT: Final = 900
LEASE_S_MIN: Final = 5
LEASE_S_MAX: Final = 86_400

PRIORITY_MIN: Final = 1
PRIORITY_MAX: Final = 10
PRIORITY_DEFAULT: Final = 5

ATTEMPTS_KEPT: Final = 5
CONTROL_IDS_KEPT: Final = 1_000
OPERATIONS_KEPT: Final = 256
OPERATIONS_KEPT_S: Final = 86_400
ANSWER_BYTES_MAX: Final = 1 << 10

LOST_GRACE_S: Final = 300.0
"""How long a session is known to be gone before its child of a flow is lost, unless a setting says otherwise."""
LOST_GRACE_S_MAX: Final = 86_400.0

CLOCK_AHEAD_S_MAX: Final = 86_400
"""A trail further ahead of the clock than this no longer drags new timestamps along."""

TOOL_LOCK_WAIT_S: Final = 5.0
CLI_LOCK_WAIT_S: Final = 30.0
