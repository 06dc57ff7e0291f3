"""What stands in for late or ended sources: fitted on the archive, judged on its last year, served if it helps."""

from __future__ import annotations

from prefect import flow

from tasks.fit_substitutes import (
    SubstitutesRecord,
    SubstitutesRequest,
    finish_substitutes,
    fit_mapping,
    fit_normals,
    open_substitutes,
    prepare_overlap,
)


@flow(name="substitutes", flow_run_name="substitutes-{request.region_id}", log_prints=False)
def fit_substitutes(request: SubstitutesRequest) -> SubstitutesRecord:
    """Fit the mapping of coarse soil moisture and the normals of the surface state, as far as the archive allows."""
    prepare_overlap(request)
    run_id = open_substitutes(request)
    fitted = (fit_mapping(run_id, request), fit_normals(run_id, request))
    return finish_substitutes(run_id, request, fitted)
