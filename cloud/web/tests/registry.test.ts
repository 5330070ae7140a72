import { afterEach, describe, expect, it } from "vitest";
import { faultText } from "../src/faults";
import { setLanguage } from "../src/i18n";
import { ails, bars, signalText, sorted } from "../src/registry/health";
import type { Device } from "../src/types";

const device = (id: string, more: object = {}): Device => ({ id, name: id, site_id: "s", zone_id: "z", profile: "p", edge_id: "e", last_seen: "2026-11-22T08:00:00Z", status: "online", ...more }) as Device;
const link = (more: object): object => ({ link: { rssi_dbm: null, snr_db: null, lqi: null, ...more } });

describe("a device's signal", () => {
  it("is as many bars as the worst of what is known of it", () => {
    expect(bars(device("a"))).toBeNull();
    expect(bars(device("a", link({ rssi_dbm: -80 })))).toBe(4);
    expect(bars(device("a", link({ rssi_dbm: -80, snr_db: -18 })))).toBe(1);
    expect(bars(device("a", link({ rssi_dbm: -130 })))).toBe(0);
    expect(bars(device("a", link({ lqi: 30 })))).toBe(1);
    expect(signalText(device("a", link({ rssi_dbm: -112.4, snr_db: -9 })))).toBe("−112 dBm");
    expect(signalText(device("a", link({ lqi: 30 })))).toBe("LQI 30");
  });

  it("is measured otherwise on Wi-Fi, which is lost where LoRa is still strong", () => {
    expect(ails(device("a", { ...link({ rssi_dbm: -85 }), address: "shelly:flood-1" }))).toEqual(["weak_signal"]);
    expect(ails(device("a", { ...link({ rssi_dbm: -85 }), address: "chirpstack:a84041ffff123456" }))).toEqual([]);
  });
});

it("sorts by what is asked for, the unknown last", () => {
  const devices = [device("full", { battery_percent: 90 }), device("none"), device("low", { battery_percent: 9 }), device("lost", { status: "offline" })];
  expect(sorted(devices, "battery").map((one) => one.id)).toEqual(["low", "full", "lost", "none"]);
  expect(sorted(devices, "care").map((one) => one.id)).toEqual(["lost", "low", "full", "none"]);
  expect(sorted(devices, "id").map((one) => one.id)).toEqual(["full", "lost", "low", "none"]);
});

describe("a fault", () => {
  afterEach(() => setLanguage("zh-CN"));
  const fault = { column: "zone", what: "site 'wh' has no zone 'b2'", fix: "take one of GET /sites", code: "no_zone", params: { site: "wh", value: "b2" } };

  it("with a code is said in the reader's language", () => {
    expect(faultText(fault)).toBe("部位：“wh”里没有部位“b2”。写台账里的部位编号，或先建这个部位");
    setLanguage("en");
    expect(faultText(fault)).toBe("Spot: site 'wh' has no spot 'b2'; write the id of one in the registry, or enter it first");
  });

  it("without a text of ours shows the cloud's own words rather than nothing", () => {
    expect(faultText({ where: "body.zone_id", what: "is odd", fix: "mend it", code: "not_known_here" })).toBe("部位：is odd。mend it");
  });
});
