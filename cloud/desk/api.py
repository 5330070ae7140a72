"""All routes of the desk."""

from fastapi import APIRouter

from cloud.desk import attachments_api, audit_api, joining_api, level_api, measures_api, plan_api

router = APIRouter()
for part in (joining_api, level_api, measures_api, plan_api, attachments_api, audit_api):
    router.include_router(part.router)
