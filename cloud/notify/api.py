"""Routes of notification."""

from fastapi import APIRouter

from cloud.notify import receipts_api, ways_api

router = APIRouter()
router.include_router(ways_api.router)
router.include_router(receipts_api.router)
