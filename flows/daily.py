"""One region, one day: from native granules to a published product. Read this file to see the whole."""

from __future__ import annotations

from prefect import flow

from sm_core.domain import DailyRequest, RunRecord
from sm_core.errors import SmError
from tasks.alert import issue_alerts
from tasks.assess import assess_day
from tasks.correct import correct_day
from tasks.downscale import downscale_day, feature_day
from tasks.drought import drought_day, report_drought
from tasks.fuse import fuse_day
from tasks.grid import grid_inputs
from tasks.inputs import fetch_inputs, lacking, resolve_inputs
from tasks.models import resolve_models, resolve_stand_ins
from tasks.publish import already_published, publish_day
from tasks.reissue import weigh_day
from tasks.report import report_run
from tasks.runs import Run, alone


@flow(name="daily", flow_run_name="daily-{request.region_id}-{request.day}", log_prints=False)
def daily(request: DailyRequest) -> RunRecord:
    """Make and publish one day.

    The same inputs and models give the outcome ``unchanged``; missing inputs ``waiting``; a field that fails its
    checks ``withheld``. An error ends the run as ``failed``, with its code in the record; a signal as ``interrupted``.
    """
    run = Run(request)
    try:
        with alone(request), run:
            record = _make(run)
    except SmError:
        if run.record is not None:
            report_run(run.record)
        raise
    report_run(record)
    return record


def _make(run: Run) -> RunRecord:
    request = run.request
    if run.overtaken:
        return run.close("unchanged", reason=run.overtaken)
    with run.step("fetch"):
        fetch_inputs(request)
    with run.step("resolve"):
        serving = resolve_models(request.region_id)
        stand_ins = resolve_stand_ins(request.region_id)
        inputs = run.resolved(resolve_inputs(request, stand_ins), serving)
        run.saw(serving, stand_ins)
    if not lacking(inputs) and (item := already_published(request.region_id, inputs, run.models)):
        with run.step("alert"):                              # what a run that was cut off had still to tell
            issue_alerts(request.day, request.region_id)
        return run.close("unchanged", item)
    with run.step("grid"):
        while (gridded := grid_inputs(inputs)).rejected:     # unreadable files are quarantined; the next best serve
            inputs = run.resolved(resolve_inputs(request, stand_ins), serving)
            run.saw(serving, stand_ins)
    if lacking(inputs):
        return run.close("waiting")
    downscaler, corrector, climatology = run.serving
    with run.step("fuse"):
        fused = fuse_day(inputs, gridded)
    with run.step("downscale"):
        features = feature_day(inputs, gridded, fused)
        fine = downscale_day(inputs, gridded, features, downscaler)
    with run.step("correct"):
        corrected = correct_day(inputs, fine, features, corrector)
    with run.step("drought"):
        fields = drought_day(inputs, corrected, fused, climatology)
    with run.step("assess"):
        run.gate = gate = assess_day(inputs, gridded, fields)
    if not gate.passed:
        return run.close("withheld")
    with run.step("weigh"):
        verdict = weigh_day(inputs, run.models, fields)
    if not verdict.publish:
        return run.close("unchanged", verdict.shown, reason=verdict.reason)
    with run.step("publish"):
        item = publish_day(inputs, run.models, fields, gate)
    with run.step("report"):
        report_drought(item, fields)
    with run.step("alert"):
        issue_alerts(request.day, request.region_id)
    return run.close("published", item, reason=verdict.reason)
