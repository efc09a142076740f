import { checksumHolds } from './checksum.ts';

/**
 * One kind of secret with a recognisable shape.
 * Every pattern here was read for linearity: it is sticky at a keyword hit, quantifiers are bounded and not nested, and
 * neighbours of a quantifier are disjoint from its class, so a failing match costs one pass over a bounded run.
 */
export interface SecretRule {
  readonly id: string;
  /** ASCII, matched without regard to case by the keyword pass; the pattern decides about case. */
  readonly keywords: readonly string[];
  /** Sticky; matched where the keyword starts. The secret is group 1 when there is one, which then ends the match. */
  readonly pattern: RegExp;
  /** How far before the keyword the secret may begin: units of this class, at most `max`. */
  readonly before?: { readonly pattern: RegExp; readonly max: number; readonly min: number };
  /** The keyword must not continue a word (letters, digits); or a `run` (also `_` and `-`), for long bodies. */
  readonly starts?: 'word' | 'run';
  readonly confidence: number;
  /** Second look at the secret; false drops it, a number replaces the confidence. */
  readonly judge?: (secret: string) => boolean | number;
}

/** Shapes of issuers' tokens. Facts (prefix, length, alphabet, checksum) are published; the patterns are ours. */
export const SECRET_RULES: readonly SecretRule[] = [
  rule('aws-access-key', ['akia', 'asia', 'abia', 'acca'], /(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])/y, 0.8, {
    before: { pattern: /[A-Za-z0-9]/, max: 0, min: 0 },
    judge: varied(5),
  }),
  rule('aws-bedrock-key', ['absk'], /ABSK[A-Za-z0-9+/]{109,269}={0,2}/y, 0.95, { judge: varied(12) }),
  rule('github-token', ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], /gh[pousr]_[A-Za-z0-9]{36,255}/y, 0.9, {
    judge: checksummed,
  }),
  rule('github-fine-grained-pat', ['github_pat_'], /github_pat_[A-Za-z0-9_]{36,255}/y, 0.95, { judge: varied(8) }),
  rule(
    'gitlab-token',
    [
      'glpat-',
      'gldt-',
      'glrt-',
      'glcbt-',
      'glptt-',
      'glft-',
      'glimt-',
      'glagent-',
      'gloas-',
      'glsoat-',
      'glffct-',
      'glwt-',
    ],
    /gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct|wt)-[\w-]{20,300}(?:\.[0-9a-z]{2}\.?[0-9a-z]{7,9})?/y,
    0.95,
    { judge: varied(8) },
  ),
  rule('gitlab-runner-registration', ['gr1348941'], /GR1348941[\w-]{20,50}/y, 0.9, { judge: varied(8) }),
  rule('gitlab-session', ['_gitlab_session='], /_gitlab_session=([0-9a-z]{32})/y, 0.9),
  rule(
    'slack-token',
    ['xoxb-', 'xoxp-', 'xoxa-', 'xoxr-', 'xoxs-', 'xoxe-'],
    /xox[abprse]-[A-Za-z0-9-]{20,250}/y,
    0.95,
    {
      judge: slackShape,
    },
  ),
  rule('slack-token', ['xoxe-', 'xoxe.xox'], /xoxe(?:\.xox[bp])?-\d-[A-Za-z0-9]{60,400}/y, 0.95),
  rule('slack-token', ['xapp-'], /xapp-\d-[A-Za-z0-9]{5,20}-\d{5,20}-[a-f0-9]{32,80}/iy, 0.95),
  rule(
    'slack-webhook',
    ['hooks.slack.com/'],
    /hooks\.slack\.com\/(?:services|workflows|triggers)\/([A-Za-z0-9+/]{40,100})/y,
    0.9,
  ),
  rule('discord-webhook', ['/api/webhooks/'], /\/api\/webhooks\/(\d{17,20}\/[\w-]{60,80})/y, 0.9),
  rule(
    'discord-bot-token',
    ['discord', 'bot '],
    /(?:discord[^\n]{0,24}?|Bot {1,4})([MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,40})/iy,
    0.9,
  ),
  rule(
    'teams-webhook',
    ['.webhook.office.com/'],
    /\.webhook\.office\.com\/(webhookb2\/[\w@-]{30,120}\/IncomingWebhook\/[\w/-]{30,120})/y,
    0.9,
  ),
  rule(
    'stripe-key',
    ['sk_live_', 'sk_test_', 'sk_prod_', 'rk_live_', 'rk_test_', 'rk_prod_'],
    /[sr]k_(?:live|test|prod)_[A-Za-z0-9]{10,200}/y,
    0.95,
    {
      starts: 'word',
      judge: varied(6),
    },
  ),
  rule('stripe-webhook-secret', ['whsec_'], /whsec_[A-Za-z0-9+/]{24,100}={0,2}/y, 0.9, { judge: varied(6) }),
  rule('anthropic-key', ['sk-ant-'], /sk-ant-[a-z]{2,10}\d{2}-[\w-]{60,200}/y, 0.97, { judge: varied(10) }),
  rule(
    'openai-key',
    ['sk-'],
    /sk-(?:(?:proj|svcacct|admin|service|None)-[\w-]{32,220}|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20,60})/y,
    0.97,
    {
      starts: 'word',
      judge: varied(10),
    },
  ),
  rule(
    'sk-key',
    ['sk-'],
    /sk-(?!ant-)(?:[a-z]{1,10}-){0,2}(?:[A-Za-z0-9]{32,128}|(?:v1-)?[a-f0-9]{48,80})(?![\w-])/y,
    0.85,
    {
      starts: 'word',
      judge: mixed,
    },
  ),
  rule('google-api-key', ['aiza'], /AIza[\w-]{35}(?![\w-])/y, 0.9, { starts: 'word', judge: varied(8) }),
  rule('google-oauth-token', ['ya29.'], /ya29\.[\w-]{30,400}/y, 0.9, { judge: mixed }),
  rule('google-client-secret', ['gocspx-'], /GOCSPX-[\w-]{28}/y, 0.95, { judge: varied(6) }),
  rule('npm-token', ['npm_'], /npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])/y, 0.9, { judge: checksummed }),
  rule('pypi-token', ['pypi-ag'], /pypi-Ag[A-Za-z0-9]{8,12}[\w-]{50,1000}/y, 0.97),
  rule('sendgrid-key', ['sg.'], /SG\.[\w=-]{20,24}(?:\.[\w=-]{39,50}|[\w=.-]{42,46})/y, 0.95, {
    starts: 'word',
    judge: mixed,
  }),
  rule('sendinblue-key', ['xkeysib-'], /xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}/iy, 0.97),
  rule(
    'twilio-key',
    Array.from('0123456789abcdef', (digit) => `sk${digit}`),
    /SK[0-9a-f]{32}(?![0-9A-Za-z])/y,
    0.85,
    { starts: 'word', judge: varied(6) },
  ),
  rule('huggingface-token', ['hf_', 'api_org_'], /(?:hf_|api_org_)[A-Za-z]{34}(?![\w])/y, 0.9, {
    starts: 'word',
    judge: mixedCase,
  }),
  rule('digitalocean-token', ['dop_v1_', 'doo_v1_', 'dor_v1_'], /do[opr]_v1_[a-f0-9]{64}/iy, 0.97),
  rule('databricks-token', ['dapi'], /dapi[a-f0-9]{32}(?:-\d)?(?![0-9A-Za-z])/y, 0.95, { judge: varied(6) }),
  rule('shopify-token', ['shpat_', 'shpca_', 'shppa_', 'shpss_'], /shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}/y, 0.97),
  rule('telegram-bot-token', [':a'], /:A[\w-]{34}(?![\w-])/iy, 0.9, {
    before: { pattern: /\d/, max: 16, min: 5 },
    judge: telegramShape,
  }),
  rule(
    'azure-storage-key',
    ['accountkey=', 'sharedaccesskey='],
    /(?:Account|SharedAccess)Key=([A-Za-z0-9+/]{43,86}={1,2})/iy,
    0.97,
  ),
  rule('azure-sas-signature', ['sig='], /sig=([A-Za-z0-9%+/]{43,80}(?:%3d|=))/iy, 0.85, { judge: mixed }),
  rule('azure-client-secret', ['q~'], /Q~[\w.~-]{31,34}(?![\w.~-])/y, 0.9, {
    before: { pattern: /[\w.~-]/, max: 4, min: 4 },
    judge: azureShape,
  }),
  rule('jwt', ['eyj'], /eyJ[\w-]{14,4000}\.(?:eyJ|[\w-]{3})[\w-]{7,16000}(?:\.[\w-]{0,4000}={0,2})?/y, 0.9, {
    starts: 'run',
    judge: varied(10),
  }),
  rule('jwt-base64', ['zxlk'], /ZXlK[A-Za-z0-9+/_-]{60,16000}={0,2}/y, 0.8, { starts: 'run', judge: mixed }),
  rule('vault-token', ['hvs.', 'hvb.'], /hv[sb]\.[\w-]{24,400}/y, 0.95, { judge: varied(8) }),
  rule('terraform-token', ['.atlasv1.'], /\.atlasv1\.[\w=-]{60,80}/y, 0.95, {
    before: { pattern: /[A-Za-z0-9]/, max: 14, min: 14 },
    judge: (secret) => varied(8)(secret.slice(15)),
  }),
  rule(
    '1password-key',
    ['ops_eyj', 'a3-'],
    /(?:ops_eyJ[A-Za-z0-9+/]{200,3000}={0,3}|A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3})/y,
    0.95,
    {
      starts: 'word',
      judge: varied(8),
    },
  ),
  rule('age-secret-key', ['age-secret-key-1'], /AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}/y, 0.97),
  rule('alibaba-access-key', ['ltai'], /LTAI[A-Za-z0-9]{17,26}(?![A-Za-z0-9])/y, 0.85, {
    starts: 'word',
    judge: varied(6),
  }),
  rule('atlassian-token', ['atatt3', 'atctt3'], /AT[AC]TT3[\w=-]{60,300}/y, 0.97, { judge: varied(8) }),
  rule('cloudflare-origin-key', ['v1.0-'], /v1\.0-[a-f0-9]{24}-[a-f0-9]{140,160}/y, 0.95),
  rule('facebook-token', ['eaa'], /EAA[MC][A-Za-z0-9]{100,400}/y, 0.9, { starts: 'word', judge: mixed }),
  rule('square-token', ['sq0atp-', 'sq0csp-'], /sq0(?:atp-[\w-]{22}|csp-[\w-]{43})/y, 0.95),
  rule(
    'grafana-token',
    ['glsa_', 'glc_', 'eyjrijoi'],
    /(?:glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/]{32,400}={0,3}|eyJrIjoi[A-Za-z0-9]{70,400}={0,3})/y,
    0.9,
    {
      starts: 'run',
      judge: mixed,
    },
  ),
  rule('linear-key', ['lin_api_'], /lin_api_[A-Za-z0-9]{40}/y, 0.97, { judge: varied(8) }),
  rule('notion-token', ['ntn_', 'secret_'], /(?:ntn_[A-Za-z0-9]{46}|secret_[A-Za-z0-9]{43})(?![A-Za-z0-9])/y, 0.95, {
    judge: mixed,
  }),
  rule('postman-key', ['pmak-'], /PMAK-[a-f0-9]{24}-[a-f0-9]{34}/iy, 0.97),
  rule(
    'newrelic-key',
    ['nrak-', 'nrjs-', 'nrii-'],
    /NR(?:AK-[A-Z0-9]{27}|JS-[a-f0-9]{19}|II-[A-Z0-9-]{32})(?![A-Z0-9])/iy,
    0.95,
    { judge: varied(6) },
  ),
  rule('openshift-token', ['sha256~'], /sha256~[\w-]{43}/y, 0.95, { judge: varied(12) }),
  rule('planetscale-token', ['pscale_'], /pscale_(?:tkn|pw|oauth)_[\w=.-]{32,64}/y, 0.97),
  rule(
    'doppler-token',
    ['dp.pt.', 'dp.st.', 'dp.ct.', 'dp.sa.'],
    /dp\.(?:pt|st|ct|sa)\.(?:[\w-]{1,35}\.)?[A-Za-z0-9]{40,44}/y,
    0.97,
  ),
  rule('sentry-token', ['sntrys_', 'sntryu_'], /sntry(?:s_eyJ[A-Za-z0-9+/=_-]{60,600}|u_[a-f0-9]{64})/y, 0.97),
  rule(
    'fly-token',
    ['fo1_', 'fm1_', 'fm1a_', 'fm1r_', 'fm2_'],
    /(?:fo1_[\w-]{43}|fm[12][ar]?_[A-Za-z0-9+/]{100,3000}={0,3})(?![\w-])/y,
    0.9,
    {
      starts: 'word',
      judge: mixed,
    },
  ),
  rule('yandex-key', ['aqvn'], /AQVN[\w-]{35,38}(?![\w-])/y, 0.9, { starts: 'word', judge: mixed }),
  rule('mailgun-key', ['key-', 'pubkey-'], /(?:pub)?key-[a-f0-9]{32}(?![0-9A-Za-z])/y, 0.9, {
    starts: 'word',
    judge: varied(6),
  }),
  rule('mailchimp-key', ['-us'], /-us\d{1,2}(?![0-9A-Za-z])/y, 0.9, {
    before: { pattern: /[a-f0-9]/, max: 32, min: 32 },
  }),
  rule('mapbox-token', ['sk.eyj', 'pk.eyj'], /[sp]k\.eyJ[\w-]{40,200}\.[\w-]{20,40}/y, 0.9),
  rule(
    'curl-user',
    ['curl '],
    /curl [^\n]{0,200}?(?:-u|--user)[ =]{0,2}["']?[^\s:"'$<{[]{1,64}:([^\s"'$<{[][^\s"']{2,120})/y,
    0.8,
    { judge: notPlaceholder },
  ),
  plain('adobe-client-secret', 'p8e-', /p8e-[a-fA-F0-9]{32}(?![A-Za-z0-9])/y),
  plain('clojars-token', 'clojars_', /CLOJARS_[A-Za-z0-9]{60}(?![A-Za-z0-9])/y),
  plain('docker-pat', 'dckr_pat_', /dckr_pat_[\w-]{27}(?![A-Za-z0-9])/y),
  plain('duffel-token', 'duffel_', /duffel_(?:test|live)_[\w=-]{43}(?![A-Za-z0-9])/y),
  plain('dynatrace-token', 'dt0c01.', /dt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{64}(?![A-Za-z0-9])/y),
  plain('easypost-key', 'ezak', /EZAK[A-Za-z0-9]{54}(?![A-Za-z0-9])/y),
  plain('easypost-key', 'eztk', /EZTK[A-Za-z0-9]{54}(?![A-Za-z0-9])/y),
  plain('flutterwave-key', 'flwseck', /FLWSECK[-_](?:TEST-)?[a-f0-9]{12,32}(?:-X)?(?![A-Za-z0-9])/y),
  plain('frameio-token', 'fio-u-', /fio-u-[\w=-]{64}(?![A-Za-z0-9])/y),
  plain('groq-key', 'gsk_', /gsk_[A-Za-z0-9]{52}(?![A-Za-z0-9])/y),
  plain('heroku-key', 'hrku-aa', /HRKU-AA[\w-]{58}(?![A-Za-z0-9])/y),
  plain('intra42-secret', 's-s4t2', /s-s4t2(?:ud|af)-[a-f0-9]{64}(?![A-Za-z0-9])/y),
  plain('infracost-token', 'ico-', /ico-[A-Za-z0-9]{32}(?![A-Za-z0-9])/y),
  plain('jfrog-key', 'akcp', /AKCp[A-Za-z0-9]{60,80}(?![A-Za-z0-9])/y),
  plain('langsmith-key', 'lsv2_', /lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}(?![A-Za-z0-9])/y),
  plain('netlify-token', 'nfp_', /nfp_[A-Za-z0-9]{36,40}(?![A-Za-z0-9])/y),
  plain('octopus-key', 'api-', /API-[A-Z0-9]{26}(?![A-Za-z0-9])/y),
  plain('perplexity-key', 'pplx-', /pplx-[A-Za-z0-9]{48}(?![A-Za-z0-9])/y),
  plain('prefect-token', 'pnu_', /pnu_[A-Za-z0-9]{36}(?![A-Za-z0-9])/y),
  plain('pulumi-token', 'pul-', /pul-[a-f0-9]{40}(?![A-Za-z0-9])/y),
  plain('readme-token', 'rdme_', /rdme_[a-z0-9]{70}(?![A-Za-z0-9])/y),
  plain('replicate-token', 'r8_', /r8_[A-Za-z0-9]{37}(?![A-Za-z0-9])/y),
  plain('rubygems-token', 'rubygems_', /rubygems_[a-f0-9]{48}(?![A-Za-z0-9])/y),
  plain('scalingo-token', 'tk-us-', /tk-us-[\w-]{48}(?![A-Za-z0-9])/y),
  plain('settlemint-token', 'sm_', /sm_[aps]at_[A-Za-z0-9]{16}(?![A-Za-z0-9])/y),
  plain('shippo-token', 'shippo_', /shippo_(?:live|test)_[a-fA-F0-9]{40}(?![A-Za-z0-9])/y),
  plain('sourcegraph-token', 'sgp_', /sgp_(?:[a-fA-F0-9]{16}_|local_)?[a-fA-F0-9]{40}(?![A-Za-z0-9])/y),
  plain('supabase-token', 'sbp_', /sbp_[a-f0-9]{40}(?![A-Za-z0-9])/y),
  plain('typeform-token', 'tfp_', /tfp_[\w=.-]{59}(?![A-Za-z0-9])/y),
  plain('xai-key', 'xai-', /xai-[A-Za-z0-9]{60,90}(?![A-Za-z0-9])/y),
];

function rule(
  id: string,
  keywords: readonly string[],
  pattern: RegExp,
  confidence: number,
  more: Pick<SecretRule, 'before' | 'starts' | 'judge'> = {},
): SecretRule {
  return { id, keywords, pattern, confidence, ...more };
}

/** Fixed prefix, one run of a fixed alphabet. */
function plain(id: string, keyword: string, pattern: RegExp): SecretRule {
  return rule(id, [keyword], pattern, 0.9, { starts: 'word', judge: varied(6) });
}

/** At least this many different characters; `xxxx…` and `0000…` are examples, not secrets. */
function varied(least: number): (secret: string) => boolean {
  return (secret) => {
    const body = secret.slice(secret.length > 24 ? 8 : 4);
    return new Set(body).size >= Math.min(least, Math.ceil(body.length / 3));
  };
}

function mixed(secret: string): boolean {
  return /\d/.test(secret) && /[A-Za-z]/.test(secret) && varied(10)(secret);
}

function mixedCase(secret: string): boolean {
  return /[a-z]/.test(secret.slice(8)) && varied(8)(secret) && !secret.endsWith(secret.slice(8, 9).repeat(8));
}

function checksummed(secret: string): boolean | number {
  if (!varied(6)(secret)) return false;
  return checksumHolds(secret) ? 0.99 : 0.9;
}

function slackShape(secret: string): boolean {
  const body = secret.slice(5);
  return /\d{6}/.test(body) || (/\d/.test(body) && /[a-f0-9]{20}/.test(body) && body.length > 30);
}

function telegramShape(secret: string): boolean {
  return mixed(secret.slice(secret.indexOf(':') + 1));
}

function azureShape(secret: string): boolean {
  const digit = secret.charCodeAt(3);
  return digit >= 48 && digit <= 57 && varied(12)(secret);
}

function notPlaceholder(secret: string): boolean {
  return !/^(?:pass(?:word)?|test|token|secret|x+|y+|\*+|\.+)$/i.test(secret);
}
