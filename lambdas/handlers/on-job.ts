import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { takeBatch } from '../take-batch.ts';
import { loadDependencies } from '../wiring.ts';

/** The deployer: one message of the queue, one reconcile of one environment (or of all of a repository). */
export async function handler(event: SQSEvent): Promise<SQSBatchResponse> {
  return takeBatch(event, await loadDependencies());
}
