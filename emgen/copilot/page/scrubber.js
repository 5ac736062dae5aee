// Position within the session. What the user holds is never moved by the server; the last position asked for counts.
export default {
  template: `
    <input class="scrubber" type="range" :min="first" :max="Math.max(first, last)" step="1" :value="at"
      aria-label="Frame of the session" :aria-valuetext="'frame ' + at" :disabled="last < first"
      @input="moved" @pointerdown="isHeld = true" @pointerup="released" @pointercancel="released" @keydown="keyed" />`,
  props: { first: Number, last: Number, frame: Number },
  data() { return { at: this.frame, isHeld: false }; },
  watch: { frame(frame) { if (!this.isHeld) this.at = frame; } },
  mounted() { document.addEventListener("keydown", this.pressed); },
  unmounted() { document.removeEventListener("keydown", this.pressed); },
  methods: {
    moved(event) {
      this.at = Number(event.target.value);
      this.$emit("scrub", { frame: this.at });
    },
    released() { this.isHeld = false; },
    keyed(event) { if (STEPS[event.key] || ENDS[event.key]) event.preventDefault(); },
    pressed(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || isBusy(event.target, this.$el)) return;
      if (STEPS[event.key]) this.$emit("step", { by: STEPS[event.key] });
      else if (ENDS[event.key]) this.$emit("step", { to: ENDS[event.key] });
      else return;
      event.preventDefault();
    },
  },
};

const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
const ENDS = { Home: "first", End: "live" };

function isBusy(target, own) {
  if (target === own) return false;
  const used = "input, textarea, select, [contenteditable], [role=tab], [role=tablist], [role=menu], [role=listbox], [role=dialog]";
  return Boolean(target.closest?.(used) || document.querySelector(".q-dialog, .q-menu"));
}
