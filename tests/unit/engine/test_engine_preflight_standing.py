"""What is written down of how the arms stand."""

from gate.engine.preflight import check_standing


def test_check_standing__says_who_cannot_share_a_batch() -> None:
    checks = check_standing({"base": "any", "candidate": "alone", "incumbent": "same_length"}, is_apart=True)
    assert all(check.outcome == "ok" for check in checks)
    assert {check.id: check.message for check in checks} == {
        "P11": "loaded separately: with the adapter switched off it would be another",
        "P12": "",
        "P13": "candidate: prompts are computed one by one",
        "P15": "incumbent: only prompts of equal length share a batch",
    }
