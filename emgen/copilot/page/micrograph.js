// The micrograph, its contours and its scale bar change together, once both pictures are decoded.
// The filter makes lines firm again that are thinner than a pixel of the screen once the picture is reduced.
export default {
  template: `
    <figure class="micrograph" :aria-label="label">
      <template v-if="shown">
        <img class="layer" :src="shown.picture" :alt="label" draggable="false" />
        <img class="layer contours" v-show="contours" :src="shown.contours" alt="" draggable="false" />
        <svg class="layer" :viewBox="'0 0 ' + shown.width + ' ' + shown.height" aria-hidden="true">
          <filter id="firm"><feComponentTransfer><feFuncA type="linear" slope="3" /></feComponentTransfer></filter>
          <rect :x="box.x" :y="box.y" :width="box.width" :height="box.height" fill="#000" fill-opacity="0.65" />
          <rect :x="box.bar" :y="box.line" :width="shown.bar" :height="box.thick" fill="#fff" />
          <text :x="box.middle" :y="box.text" :font-size="box.font" text-anchor="middle" fill="#fff">{{ shown.bar_text }}</text>
        </svg>
      </template>
      <figcaption v-else>{{ empty }}</figcaption>
    </figure>`,
  props: { view: Object, contours: Boolean, label: String, empty: String },
  data: () => ({ shown: null, wanted: null, isLoading: false }),
  computed: {
    box() {
      const { width: wide, height: high, bar, bar_text } = this.shown;
      const side = Math.min(wide, high);
      const font = side / 26, pad = font / 2, thick = Math.max(side / 160, 1);
      const width = Math.max(bar, font * 0.62 * bar_text.length) + 2 * pad;
      const height = font + thick + 2.4 * pad, x = 1.5 * pad, y = high - height - 1.5 * pad;
      return {
        x, y, width, height, thick, font,
        middle: x + width / 2, bar: x + (width - bar) / 2, text: y + pad * 0.7 + font * 0.85, line: y + height - pad - thick,
      };
    },
  },
  mounted() { this.want(this.view); },
  watch: { view(view) { this.want(view); } },
  methods: {
    want(view) {
      this.wanted = view;
      if (!this.isLoading) this.load();
    },
    // Of frames that come faster than they are decoded, the last is shown next; each that is begun is shown.
    async load() {
      this.isLoading = true;
      while (this.wanted && this.wanted.key !== this.shown?.key) {
        const view = this.wanted;
        const isThere = (await Promise.all([decoded(view.picture), decoded(view.contours)]))[0];
        if (!isThere) {
          if (this.wanted.key === view.key) break;
          continue;
        }
        this.shown = view;
        await this.$nextTick();
        this.$emit("shown", { frame: view.frame, visible: await painted() });
      }
      this.isLoading = false;
    },
  },
};

async function decoded(address) {
  const image = new Image();
  image.src = address;
  try {
    await image.decode();
    return true;
  } catch {
    return false;
  }
}

// Whether it was seen: a hidden page draws nothing until it is looked at again.
function painted() {
  if (document.visibilityState !== "visible") return Promise.resolve(false);
  return new Promise((done) => {
    const answered = (seen) => {
      document.removeEventListener("visibilitychange", hidden);
      done(seen);
    };
    const hidden = () => answered(false);
    document.addEventListener("visibilitychange", hidden);
    requestAnimationFrame(() => answered(true));
  });
}
