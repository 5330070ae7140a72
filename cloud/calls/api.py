"""Routes of 叫应."""

from fastapi import APIRouter

from cloud.calls import calls_api, contacts_api, gateway_api, speakers_api

router = APIRouter()
router.include_router(contacts_api.router)
router.include_router(calls_api.router)
router.include_router(gateway_api.router)
router.include_router(speakers_api.router)
