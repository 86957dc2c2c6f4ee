/** One entry of a 422's `errors`. */
export interface ValidationProblem {
  resource?: string;
  field?: string;
  code: string;
  message?: string;
  value?: string | number | string[] | null;
  [extra: string]: unknown;
}

interface Details {
  errors?: ValidationProblem[];
  headers?: Record<string, string>;
}

/** GitHub's refusal: status, message and, for 422, the wrong field. */
export class GithubError extends Error {
  readonly status: number;
  readonly errors: ValidationProblem[] | undefined;
  readonly headers: Record<string, string>;

  constructor(status: number, message: string, details: Details = {}) {
    super(message);
    this.name = 'GithubError';
    this.status = status;
    this.errors = details.errors;
    this.headers = details.headers ?? {};
  }
}

export function notFound(): GithubError {
  return new GithubError(404, 'Not Found');
}

export function badCredentials(): GithubError {
  return new GithubError(401, 'Bad credentials');
}

/** The answer for a token that sees the repository but lacks the permission. */
export function notAccessible(): GithubError {
  return new GithubError(403, 'Resource not accessible by integration');
}

export function validationFailed(...errors: ValidationProblem[]): GithubError {
  return new GithubError(422, 'Validation Failed', { errors });
}
