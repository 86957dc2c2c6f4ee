export const pageStyle = `
:root { color-scheme: light dark; --text: #1f2328; --quiet: #59636e; --line: #d1d9e0; --back: #fff; --soft: #f6f8fa;
  --link: #0969da; --green: #1a7f37; --red: #cf222e; --purple: #8250df; --amber: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --quiet: #9198a1; --line: #3d444d; --back: #0d1117;
  --soft: #151b23; --link: #4493f8; --green: #3fb950; --red: #f85149; --purple: #ab7df8; --amber: #d29922; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 15px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 80px; }
h1 { font-size: 26px; font-weight: 400; margin: 8px 0; }
h2 { font-size: 15px; margin: 0 0 8px; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
code { font: 85%/1.4 ui-monospace, SFMono-Regular, Menlo, monospace; background: var(--soft); padding: 2px 5px;
  border-radius: 5px; overflow-wrap: anywhere; }
pre { background: var(--soft); padding: 12px; border-radius: 6px; overflow: auto; } pre code { padding: 0; background: none; }
.quiet { color: var(--quiet); font-size: 13px; font-weight: 400; } h1 .quiet { font-size: inherit; }
.crumbs { margin: 0; }
.pill { border: 1px solid var(--line); border-radius: 20px; padding: 0 8px; font-size: 12px; color: var(--quiet); white-space: nowrap; }
.pill.success { color: var(--green); border-color: var(--green); }
.pill.failure, .pill.error { color: var(--red); border-color: var(--red); }
.pill.in_progress, .pill.queued, .pill.pending { color: var(--amber); border-color: var(--amber); }
.badge { color: #fff; border-radius: 20px; padding: 3px 12px; font-size: 13px; font-weight: 600; margin-right: 6px; }
.badge.open { background: #1a7f37; } .badge.closed { background: #cf222e; } .badge.merged { background: #8250df; } .badge.draft { background: #59636e; }
.summary { padding-bottom: 16px; border-bottom: 1px solid var(--line); margin-bottom: 20px; }
.columns { display: grid; grid-template-columns: minmax(0, 1fr) 320px; gap: 24px; align-items: start; }
@media (max-width: 860px) { .columns { grid-template-columns: minmax(0, 1fr); } }
.comment { border: 1px solid var(--line); border-radius: 8px; margin-bottom: 16px; overflow: hidden; }
.comment header { background: var(--soft); padding: 8px 14px; border-bottom: 1px solid var(--line); }
.comment.bot header { background: color-mix(in srgb, var(--link) 10%, var(--back)); }
.comment:target { outline: 2px solid var(--link); }
.markdown { padding: 4px 14px; overflow-x: auto; } .markdown h1, .markdown h2, .markdown h3 { font-size: 17px; font-weight: 600; margin: 12px 0 6px; }
.markdown table { border-collapse: collapse; margin: 10px 0; } .markdown th, .markdown td { border: 1px solid var(--line); padding: 5px 12px; text-align: left; }
.markdown tr:nth-child(2n) { background: var(--soft); } .markdown img { max-width: 100%; }
.markdown details { margin: 8px 0; } .markdown summary { cursor: pointer; }
.markdown blockquote { border-left: 3px solid var(--line); margin: 8px 0; padding-left: 12px; color: var(--quiet); }
.commits, .box ul, .list { list-style: none; margin: 0 0 16px; padding: 0; }
.commits li { padding: 3px 0 3px 10px; display: flex; gap: 10px; align-items: center; } .commits code { margin-left: auto; }
.dot { width: 9px; height: 9px; border: 2px solid var(--quiet); border-radius: 50%; flex: none; }
.box { border: 1px solid var(--line); border-radius: 8px; padding: 14px; margin-bottom: 16px; } .box ul { margin: 0; } .box p { margin: 0 0 6px; }
.box li { display: flex; gap: 8px; padding: 6px 0; overflow-wrap: anywhere; } .box li + li { border-top: 1px solid var(--line); }
.deployment { flex-direction: column; }
.mark { font-weight: 700; } .mark.success { color: var(--green); } .mark.failure, .mark.error { color: var(--red); } .mark.pending { color: var(--amber); }
.button { background: var(--green); color: #fff; border-radius: 6px; padding: 5px 12px; text-align: center; font-weight: 600; }
.form { display: grid; gap: 14px; justify-items: start; max-width: 560px; } .form label { display: grid; gap: 4px; }
.form input[type=text], .form select { font: inherit; padding: 5px 10px; min-width: 320px; } .form fieldset { border: 1px solid var(--line); border-radius: 6px; }
button.button { border: 0; font: inherit; font-weight: 600; cursor: pointer; } .problem { color: var(--red); }
.list li { padding: 10px 0; border-bottom: 1px solid var(--line); }
`;

/**
 * Replaces the main element when the server's page has changed. Open details stay open, the scroll position stays,
 * and the last page stays if the server is gone.
 */
export const pageScript = `
const ago = (time) => {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(time.dateTime)) / 1000));
  if (seconds < 60) return seconds + ' s ago';
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes + ' min ago';
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? hours + ' h ago' : Math.floor(hours / 24) + ' d ago';
};
const tell = () => document.querySelectorAll('time').forEach((time) => { time.textContent = ago(time); });
const summaryOf = (details) => details.querySelector('summary')?.textContent;
let shown = document.querySelector('main').innerHTML;
const renew = async () => {
  if (document.hidden) return;
  const reply = await fetch(location.href, { cache: 'no-store' });
  if (!reply.ok) return;
  const next = new DOMParser().parseFromString(await reply.text(), 'text/html').querySelector('main');
  if (next.innerHTML === shown) return;
  shown = next.innerHTML;
  const open = new Set([...document.querySelectorAll('main details[open]')].map(summaryOf));
  next.querySelectorAll('details').forEach((details) => { if (open.has(summaryOf(details))) details.open = true; });
  document.querySelector('main').replaceWith(next);
  tell();
};
tell();
setInterval(tell, 1000);
setInterval(() => renew().catch(() => undefined), 2000);
`;
