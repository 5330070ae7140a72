"""住户应急信息卡 and 逐户敲门: what helps at a door, with the least personal data, and the doors to knock on."""
