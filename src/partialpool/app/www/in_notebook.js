// In place of "Your file" in a page inside a notebook, where the library itself is at hand.

export function mount(section) {
  section.innerHTML = '<p class="alone">In a notebook your own table is one call away: <code>pp.fit("score ~ 1 + (1 | school)", table)</code>.</p>';
  return { show() {}, hide() {} };
}
