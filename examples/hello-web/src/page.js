const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text that is safe in HTML. */
export function escapeHtml(text) {
  return text.replace(/[&<>"']/g, (char) => ESCAPES[char]);
}

/** The page as HTML. `visit` is the number that the site's owner counts up with every change. */
export function renderPage({ greeting, commit, visit }) {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${escapeHtml(greeting)}</title><link rel="stylesheet" href="style.css"></head>
<body>
<main>
<h1>${escapeHtml(greeting)}</h1>
<p>Built from commit <code>${escapeHtml(commit)}</code>.</p>
<p>Deployment number ${Number(visit)}.</p>
</main>
</body>
</html>
`;
}
