import type { Deployment } from './deployment.ts';

/** Where the Worker reports whether it has all settings and secrets, and which upload it is. */
export function healthAddress({ settings, tools }: Pick<Deployment, 'settings' | 'tools'>): URL {
  return new URL('/health', tools.worker.webhookUrl(settings.WEBHOOK_HOST));
}
