// Tells when charts, whose colours and type are looked up once, are out of date: the page's type has another size (it
// follows the window's), or the system went from light to dark.
export default {
  template: `<span class="unseen" aria-hidden="true"></span>`,
  mounted() {
    this.size = typeSize();
    this.scheme = window.matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.told);
    window.addEventListener("resize", this.resized);
  },
  unmounted() {
    this.scheme.removeEventListener("change", this.told);
    window.removeEventListener("resize", this.resized);
    clearTimeout(this.waiting);
  },
  methods: {
    told() { this.$emit("changed"); },
    resized() {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(this.compare, SETTLED_MS);
    },
    compare() {
      if (this.size === typeSize()) return;
      this.size = typeSize();
      this.told();
    },
  },
};

const SETTLED_MS = 150;  // one who drags the window's edge is told once

function typeSize() { return getComputedStyle(document.documentElement).fontSize; }
