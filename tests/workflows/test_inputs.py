"""Inputs: bound with every fault at once, filled in once."""

import pytest

from registry.core.inputs import bind_inputs, fill
from registry.core.record import Json
from registry.core.workflow import Defaults, InputDeclaration, NodeDefinition, Outputs, WaitFor, Workflow
from registry.errors import InvalidRequest, LimitExceeded

DECLARED = {
    "repo": InputDeclaration(type="string", required=True),
    "depth": InputDeclaration(type="integer", default=3),
    "ratio": InputDeclaration(type="number"),
    "deep": InputDeclaration(type="boolean", default=False),
    "mode": InputDeclaration(type="choice", choices=("fast", "slow"), default="fast"),
    "areas": InputDeclaration(type="list", choices=("speed", "security")),
}


def workflow(**node: object) -> Workflow:
    return Workflow(
        workflow_id="demo",
        title="Audit of {{ inputs.repo }}",
        nodes=(NodeDefinition.model_validate({"id": "n", "title": "N", "kind": "summary", **node}),),
        inputs={"repo": InputDeclaration()},
        defaults=Defaults(),
    )


def test_defaults_stand_where_nothing_is_given() -> None:
    """Every declared input has a value in the run, so that conditions and prompts can count on it."""
    assert bind_inputs(DECLARED, {"repo": "r", "depth": None}) == {
        "repo": "r",
        "depth": 3,
        "ratio": None,
        "deep": False,
        "mode": "fast",
        "areas": None,
    }


def test_given_values_are_taken_as_they_are() -> None:
    """Nothing is guessed from text; only 3.0 is the whole number that JSON says it is."""
    given: dict[str, Json] = {"repo": "5", "depth": 3.0, "ratio": 1, "deep": True, "mode": "slow", "areas": ["speed"]}

    bound = bind_inputs(DECLARED, given)

    assert bound == {**given, "depth": 3}
    assert isinstance(bound["depth"], int)


def test_all_wrong_inputs_are_told_at_once() -> None:
    """A model that mends one fault a call pays for each call."""
    wrong: dict[str, Json] = {
        "rpeo": "x",
        "depth": True,
        "ratio": "0.5",
        "deep": "yes",
        "mode": "fats",
        "areas": ["speed", "money"],
    }

    with pytest.raises(InvalidRequest) as refused:
        bind_inputs(DECLARED, wrong)

    assert refused.value.details["faults"] == [
        "there is no input 'rpeo'; did you mean 'repo'?",
        "input 'repo' is required; give text",
        "input 'depth' is true; it must be a whole number",
        "input 'ratio' is '0.5'; it must be a number",
        "input 'deep' is 'yes'; it must be true or false",
        "input 'mode' is 'fats'; it must be one of fast, slow; did you mean 'fast'?",
        "input 'areas' is 'money'; it must be a list of some of speed, security",
    ]
    assert refused.value.hint == (
        "send inputs as an object with repo (string, required), depth (integer), ratio (number), "
        "deep (boolean), mode (choice), areas (list)"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, "1", [1], {"a": 1}, False])
def test_what_is_no_whole_number_is_no_integer(value: Json) -> None:
    """A boolean is an int to Python, and NaN is a float that no JSON can hold."""
    with pytest.raises(InvalidRequest):
        bind_inputs({"n": InputDeclaration(type="integer")}, {"n": value})


def test_a_workflow_without_inputs_takes_none() -> None:
    """The hint must not ask for an object of nothing."""
    with pytest.raises(InvalidRequest) as refused:
        bind_inputs({}, {"repo": "x"})

    assert (refused.value.message, refused.value.hint) == (
        "there is no input 'repo'; it takes: none",
        "leave inputs out; this workflow asks for none",
    )


def test_inputs_are_filled_into_every_text_but_names_and_conditions() -> None:
    """Ids, needs and conditions are the plan; texts are what people and agents read."""
    before = workflow(
        title="{{inputs.repo}}",
        kind="session_turn",
        prompt="Look at {{ inputs.repo }}, {{\tinputs.repo\t}} and {{ steps.repo }}.",
        outputs=Outputs(mode="report", path="nodes/n/{{ inputs.repo }}.md"),
        when='inputs.repo == "{{ inputs.repo }}"',
        metadata={"{{ inputs.repo }}": ["{{ inputs.repo }}", 1]},
        tags=("{{ inputs.repo }}",),
    ).model_copy(update={"body": "{{ inputs.repo }}", "extras": {"x-a": "{{ inputs.repo }}"}})

    after = fill(before, {"repo": "kit"})

    assert after == before.model_copy(
        update={
            "title": "Audit of kit",
            "nodes": (
                before.nodes[0].model_copy(
                    update={
                        "title": "kit",
                        "prompt": "Look at kit, kit and {{ steps.repo }}.",
                        "outputs": Outputs(mode="report", path="nodes/n/kit.md"),
                        "metadata": {"{{ inputs.repo }}": ["kit", 1]},
                        "tags": ("kit",),
                    }
                ),
            ),
        }
    )


def test_a_filled_value_is_never_filled_again() -> None:
    """Whoever gives one input must not be able to read another through it."""
    before = workflow(prompt="{{ inputs.repo }} {{ inputs.secret }}")

    after = fill(before, {"repo": "{{ inputs.secret }} \\1 \\g<0>", "secret": "s3"})

    assert after.nodes[0].prompt == "{{ inputs.secret }} \\1 \\g<0> s3"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (3, "3"), (0.5, "0.5"), (None, ""), (["a", 1, False], "a, 1, false"), ([], ""), ("a", "a")],
)
def test_a_value_reads_as_a_person_would_write_it(value: Json, text: str) -> None:
    """Prompts are read by models; Python's True would be a foreign word there."""
    assert fill(workflow(prompt="<{{ inputs.v }}>"), {"repo": "r", "v": value}).nodes[0].prompt == f"<{text}>"


def test_a_path_may_not_leave_the_run_through_an_input() -> None:
    """The file was checked with its braces; the value is what a stranger sends."""
    before = workflow(
        agent_id="{{ inputs.repo }}",
        outputs=Outputs(mode="report", required_files=("nodes/{{ inputs.repo }}/x.md",)),
        wait_for=WaitFor(type="file_exists", path="{{ inputs.repo }}"),
    )

    with pytest.raises(InvalidRequest) as refused:
        fill(before, {"repo": "../.."})

    assert refused.value.details["faults"] == [
        "node 'n': agentId becomes '../..', which is no id",
        "node 'n': waitFor.path is '../..'; it may not lead upwards (..)",
        "node 'n': the path is 'nodes/../../x.md'; it may not lead upwards (..)",
    ]


def test_titles_may_not_be_filled_empty() -> None:
    """A list of runs shows nothing else of them."""
    with pytest.raises(InvalidRequest) as refused:
        fill(workflow(title="{{ inputs.empty }}").model_copy(update={"title": " {{ inputs.empty }}"}), {"empty": ""})

    assert refused.value.message == (
        "the title is empty with the inputs given; node 'n': its title is empty with the inputs given"
    )


def test_a_time_given_as_an_input_gets_the_form_that_is_compared() -> None:
    """Times are compared as text in the core, so all of them are UTC there."""
    before = workflow(kind="wait", wait_for=WaitFor(type="until", at="{{ inputs.repo }}"))

    after = fill(before, {"repo": "2030-01-31T10:00:00+01:00"})

    assert after.nodes[0].wait_for == WaitFor(type="until", at="2030-01-31T09:00:00.000+00:00")


def test_a_prompt_over_its_limit_after_filling_is_refused_with_its_size() -> None:
    """Each input may be small and the prompt made of them too large."""
    with pytest.raises(LimitExceeded) as refused:
        fill(workflow(prompt="{{ inputs.repo }}" * 4), {"repo": "ü" * 5_000})

    assert refused.value.message == "the prompt of node 'n' with its inputs is 40,000 bytes; the limit is 32,768"
    assert (refused.value.details["limit"], refused.value.details["size"]) == (32_768, 40_000)


def test_a_workflow_without_braces_is_given_back_as_it_is() -> None:
    """Most nodes have none; a thousand of them need not be copied."""
    before = workflow().model_copy(update={"title": "Audit"})

    assert fill(before, {"repo": "r"}) is before
