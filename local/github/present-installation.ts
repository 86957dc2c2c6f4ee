import type { Delivery, Installation } from './github-state.ts';
import { type Links, timestamp, timestampOrNull } from './links.ts';
import { presentAccount } from './present-account.ts';

type Json = Record<string, unknown>;

export function presentInstallation(links: Links, installation: Installation): Json {
  const { app } = installation;
  return {
    id: installation.id,
    client_id: app.clientId,
    account: presentAccount(links, installation.account),
    repository_selection: installation.selection,
    access_tokens_url: `${links.api}/app/installations/${installation.id}/access_tokens`,
    repositories_url: `${links.api}/installation/repositories`,
    html_url: `${links.html}/organizations/${installation.account.login}/settings/installations/${installation.id}`,
    app_id: app.id,
    app_slug: app.slug,
    target_id: installation.account.id,
    target_type: installation.account.type,
    permissions: installation.permissions,
    events: installation.events,
    created_at: timestamp(installation.createdAt),
    updated_at: timestamp(installation.updatedAt),
    single_file_name: null,
    has_multiple_single_files: false,
    single_file_paths: [],
    suspended_by: installation.suspendedBy ? presentAccount(links, installation.suspendedBy) : null,
    suspended_at: timestampOrNull(installation.suspendedAt),
  };
}

export function presentListedDelivery(delivery: Delivery): Json {
  return {
    id: delivery.id,
    guid: delivery.guid,
    delivered_at: new Date(delivery.deliveredAt).toISOString(),
    redelivery: delivery.redelivery,
    duration: delivery.outcome?.durationSeconds ?? 0,
    status: delivery.outcome?.status ?? 'pending',
    status_code: delivery.outcome?.statusCode ?? 0,
    event: delivery.event,
    action: delivery.action,
    installation_id: delivery.installationId,
    repository_id: delivery.repositoryId,
    throttled_at: null,
  };
}
