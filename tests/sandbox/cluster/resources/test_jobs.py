from sandbox.cluster.resources.all import CRONJOBS, JOBS


def job(**spec):
    template = {"spec": {"containers": [{"name": "c", "image": "busybox"}], "restartPolicy": "Never"}}
    return {"metadata": {"name": "pi", "uid": "u-1"}, "spec": {"template": template} | spec}


def test_a_job_finds_its_pods_by_its_uid():
    new = job()
    JOBS.default(new)
    JOBS.prepare_create(new)
    spec = new["spec"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}}
    assert spec["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": "u-1",
        "controller-uid": "u-1",
        "batch.kubernetes.io/job-name": "pi",
        "job-name": "pi",
    }
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (1, 1, 6)
    assert list(JOBS.validate(new, None)) == []


def test_a_job_applied_again_keeps_what_was_generated():
    old, again = job(), job()
    JOBS.default(old)
    JOBS.prepare_create(old)
    JOBS.default(again)
    JOBS.prepare_update(again, old)
    assert again["spec"] == old["spec"]
    assert list(JOBS.validate(again, old)) == []


def test_a_job_may_not_restart_always():
    wrong = job()
    del wrong["spec"]["template"]["spec"]["restartPolicy"]
    JOBS.default(wrong)
    JOBS.prepare_create(wrong)
    (cause,) = JOBS.validate(wrong, None)
    assert cause["field"] == "spec.template.spec.restartPolicy"
    assert cause["message"] == 'Required value: valid values: "OnFailure", "Never"'


def test_a_cron_job_needs_a_schedule():
    cron = {"metadata": {"name": "c"}, "spec": {"schedule": "* * *", "jobTemplate": {"spec": job()["spec"]}}}
    CRONJOBS.default(cron)
    (cause,) = CRONJOBS.validate(cron, None)
    assert cause["message"] == 'Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]'
