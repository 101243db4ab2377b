"""Early evidence is added to the record of the same task, and to no other."""

import pytest
from study_installed import MISSING

if MISSING:
    pytest.skip(f"the extra `study` is not installed: {MISSING}", allow_module_level=True)

from study.data import split
from study.evidence import PROXIES, gathered
from study.record import digest_of, read, stem_of, write
from study.tasks import TASKS

TASK = TASKS["residual/diabetes"]


def recorded(folder, **changes):
    fit, held = split(TASK.data())
    record = {"digest": digest_of(TASK, TASK.build(fit), fit, held), "arms": {"add": {"learning_rate": 2.0}}}
    write(folder / f"{stem_of(TASK.name)}.json", record | changes)


def test_a_task_without_its_record_gets_none(tmp_path):
    assert gathered(TASK, tmp_path) is None
    recorded(tmp_path, digest="of another task")
    assert gathered(TASK, tmp_path) is None


@pytest.mark.slow
def test_what_advise_and_the_proxies_say_is_kept(tmp_path):
    recorded(tmp_path)
    found = gathered(TASK, tmp_path)
    assert set(found["proxies"]) == {"parameters", *PROXIES}
    assert found["proxies"]["parameters"] == {"add": 1009, "concat": 1265}
    said = found["advise"]
    assert said["choice"] in {"add", "concat"}
    assert said["trainings"] <= 1.05
    assert said["looks"][0]["method"] == "structure"
    assert read(tmp_path / f"{stem_of(TASK.name)}.json")["evidence"] == found
    assert gathered(TASK, tmp_path) == found
