import { Hono } from 'hono/tiny';
import { parseBindings } from './bindings.ts';
import { isPreview, servePreview } from './preview.ts';
import { receiveWebhook } from './webhook.ts';

/**
 * `hono/tiny`: with @octokit/webhooks the default router makes the bundle 20.1 KiB gzip, this one 17.6; the
 * budget of the webhook path is 20 KB (tests/infra/worker-bundle.test.ts).
 */
const app = new Hono<{ Bindings: Record<string, unknown> }>();

app.post('/webhooks/github', async (c) => {
  const setUp = parseBindings(c.env);
  if (!setUp.ok) return c.json({ ok: false, delivery: null, error: setUp.problem }, 500);
  const startedAt = Date.now();
  const answer = await receiveWebhook(c.req.raw, setUp.bindings);
  const { ok: _, ...outcome } = answer.body;
  const event = c.req.header('X-GitHub-Event');
  console.log(JSON.stringify({ ...outcome, event, status: answer.status, ms: Date.now() - startedAt }));
  return c.json(answer.body, answer.status);
});

app.get('/health', (c) => {
  const setUp = parseBindings(c.env);
  if (!setUp.ok) return c.json({ ok: false, error: setUp.problem }, 500);
  return c.json({ ok: true, version: setUp.bindings.VERSION });
});

app.notFound((c) => c.json({ ok: false, error: `There is nothing at ${c.req.method} ${c.req.path}.` }, 404));

app.onError((error, c) => {
  console.error(JSON.stringify({ error: error.message, stack: error.stack, path: c.req.path }));
  return c.json({ ok: false, error: 'The Worker failed; its log says why.' }, 500);
});

/** Previews are served before anything that could fail in a Worker without settings, hono included. */
export default {
  fetch(request: Request, env: Record<string, unknown>): Promise<Response> | Response {
    return isPreview(request, env['PREVIEW_SUFFIX']) ? servePreview(request) : app.fetch(request, env);
  },
};
