/** How the list stands: its view, its filter, whether a flood is folded. Outlives the panel, so that a dialog does not reset it. */
import { computed, ref, watch } from "vue";
import { nowMs } from "../clock";
import { floodNow, fresh } from "../incident/flood";
import { openIncidents, summary } from "../incident/store";
import { NONE, type Filter } from "../incident/views";

export type Tab = "needs" | "mine" | "over";
export const tab = ref<Tab>("needs");
export const filter = ref<Filter>({ ...NONE });
/** The saved view that the filter came from. */
export const viewName = ref<string | null>(null);
export const openedGroups = ref(new Set<string>());
/** A person wants to read them one by one. */
export const oneByOne = ref(false);

export const flooding = ref(false);
export const freshCount = computed(() => fresh(openIncidents.value, nowMs.value));

/** Since when. */
export const floodSince = ref<number | null>(null);

watch(
  [freshCount, () => summary.value?.flood ?? false],
  ([many, said]) => {
    const now = floodNow(flooding.value, many) || (said && many > 0);
    if (now === flooding.value) return;
    flooding.value = now;
    floodSince.value = now ? nowMs.value : null;
    if (!now) {
      oneByOne.value = false;
      openedGroups.value = new Set();
    }
  },
  { immediate: true },
);

export const folding = computed(() => flooding.value && !oneByOne.value);
