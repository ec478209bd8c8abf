// generated from schemas/gateway.schema.json by scripts/schema-types.mjs: do not edit; change the schema, then `npm run schema`
export const gatewaySchema = {
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "ConfigFile",
  "description": "Configuration of nats-kv-gateway: which buckets are replicated between which sites, and how. One file serves every site. `${NAME}` and `${NAME:-default}` in values are replaced from the environment; `$${` stands for a literal `${`.",
  "type": "object",
  "errorMessage": "expected settings such as `version: 1`, `sites:` and `buckets:`",
  "additionalProperties": false,
  "required": [
    "version",
    "sites",
    "buckets"
  ],
  "properties": {
    "version": {
      "description": "Version of this file format.",
      "type": "integer",
      "const": 1,
      "errorMessage": "expected 1, the only version of the file format so far"
    },
    "site": {
      "$ref": "#/$defs/siteName",
      "description": "The site that this process serves: one of `sites`. `--site` and the environment variable `KVGW_SITE` win over it, in this order, so that one file serves every site.",
      "examples": [
        "site-a"
      ]
    },
    "allowInlineSecrets": {
      "description": "Allows passwords, tokens and seeds to stand in this file (also as `user:password@` of a server address). Without it a secret comes from a file or from an environment variable.",
      "type": "boolean",
      "default": false,
      "errorMessage": "expected true or false"
    },
    "sites": {
      "description": "Every site, by name: where its NATS is and how to log in there. Names are lower-case letters, digits and inner hyphens, at most 32 characters.",
      "type": "object",
      "minProperties": 1,
      "propertyNames": {
        "$ref": "#/$defs/siteName"
      },
      "additionalProperties": {
        "$ref": "#/$defs/siteSettings"
      },
      "errorMessage": "expected the sites by name, such as `site-a: { servers: [\"nats://127.0.0.1:4222\"] }`",
      "examples": [
        {
          "site-a": {
            "servers": [
              "nats://127.0.0.1:4222"
            ]
          },
          "site-b": {
            "servers": [
              "nats://127.0.0.1:5222"
            ]
          }
        }
      ]
    },
    "defaults": {
      "$ref": "#/$defs/bucketDefaults"
    },
    "buckets": {
      "description": "Every replicated bucket, by its name. `{}` stops them all; an entry without settings uses the defaults.",
      "type": "object",
      "propertyNames": {
        "$ref": "#/$defs/bucketName"
      },
      "additionalProperties": {
        "$ref": "#/$defs/bucketSettings"
      },
      "errorMessage": "expected the buckets by name, such as `config: { policy: lww }`, or {} to replicate none",
      "examples": [
        {
          "config": {
            "subject": "rep.kv.ops.config"
          }
        }
      ]
    },
    "http": {
      "$ref": "#/$defs/httpSettings"
    },
    "log": {
      "$ref": "#/$defs/logSettings"
    }
  },
  "$defs": {
    "siteName": {
      "description": "Name of a site. It has no underscore, so that names on the wire stay unambiguous.",
      "type": "string",
      "maxLength": 32,
      "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
      "errorMessage": "expected a site name: lower-case letters, digits and inner hyphens, at most 32 characters"
    },
    "bucketName": {
      "description": "Name of a KV bucket as NATS allows it.",
      "type": "string",
      "maxLength": 200,
      "pattern": "^[A-Za-z0-9_-]+$",
      "errorMessage": "expected a bucket name: letters, digits, _ and -, at most 200 characters"
    },
    "duration": {
      "description": "A whole number and its unit: ms, s, m, h or d.",
      "type": "string",
      "pattern": "^[0-9]{1,9}(ms|s|m|h|d)$",
      "errorMessage": "expected a duration such as 250ms, 30s, 5m, 24h or 7d"
    },
    "filePath": {
      "description": "Path of a file; a relative one begins at the folder of this configuration file.",
      "type": "string",
      "minLength": 1,
      "maxLength": 4096,
      "errorMessage": "expected the path of a file"
    },
    "environmentName": {
      "description": "Name of an environment variable.",
      "type": "string",
      "pattern": "^[A-Za-z_][A-Za-z0-9_]*$",
      "errorMessage": "expected the name of an environment variable, such as NATS_PASSWORD (without $)"
    },
    "secret": {
      "description": "A secret that stands in this file.",
      "type": "string",
      "minLength": 1,
      "errorMessage": "expected a text that is not empty"
    },
    "siteSettings": {
      "description": "Where one site's NATS is, and how to log in there. A site needs `servers`, or `domain` to be reached over another connection.",
      "type": "object",
      "additionalProperties": false,
      "errorMessage": "expected the site's settings, such as { servers: [\"nats://127.0.0.1:4222\"] }",
      "properties": {
        "servers": {
          "description": "Addresses of the NATS servers of the site (several for a cluster): `nats://host:port`, or `tls://host:port` where nothing but TLS will do. The site's own gateway needs them; other sites do where no `via` or `domain` leads there.",
          "type": "array",
          "items": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "errorMessage": "expected a server address such as nats://127.0.0.1:4222"
          },
          "minItems": 1,
          "maxItems": 64,
          "uniqueItems": true,
          "errorMessage": "expected a list of server addresses such as [\"nats://127.0.0.1:4222\"]",
          "examples": [
            [
              "nats://127.0.0.1:4222"
            ],
            [
              "tls://nats-1.example.com:4222",
              "tls://nats-2.example.com:4222"
            ]
          ]
        },
        "credentials": {
          "$ref": "#/$defs/credentials"
        },
        "credsFile": {
          "$ref": "#/$defs/credsFile"
        },
        "credsEnv": {
          "$ref": "#/$defs/credsEnv"
        },
        "user": {
          "$ref": "#/$defs/user"
        },
        "passwordFile": {
          "$ref": "#/$defs/passwordFile"
        },
        "passwordEnv": {
          "$ref": "#/$defs/passwordEnv"
        },
        "password": {
          "$ref": "#/$defs/password"
        },
        "tokenFile": {
          "$ref": "#/$defs/tokenFile"
        },
        "tokenEnv": {
          "$ref": "#/$defs/tokenEnv"
        },
        "token": {
          "$ref": "#/$defs/token"
        },
        "nkeySeedFile": {
          "$ref": "#/$defs/nkeySeedFile"
        },
        "nkeySeedEnv": {
          "$ref": "#/$defs/nkeySeedEnv"
        },
        "nkeySeed": {
          "$ref": "#/$defs/nkeySeed"
        },
        "tls": {
          "$ref": "#/$defs/tls"
        },
        "via": {
          "$ref": "#/$defs/siteName",
          "description": "The site through whose connection this one is reached (leaf nodes, superclusters). It needs `domain` beside it.",
          "examples": [
            "site-a"
          ]
        },
        "domain": {
          "description": "JetStream domain of the site. A site with a domain and no `via` is reached over the local connection.",
          "type": "string",
          "maxLength": 200,
          "pattern": "^[A-Za-z0-9_-]+$",
          "errorMessage": "expected a JetStream domain: letters, digits, _ and -",
          "examples": [
            "edge-7"
          ]
        },
        "bytesPerSecond": {
          "description": "What this gateway asks of that site per second, of all buckets together, for a thin link; 0 for no limit. Buckets that wait for it take turns by their `priority`. One message must pass within about 5 seconds of it.",
          "type": "integer",
          "minimum": 0,
          "maximum": 100000000000,
          "default": 0,
          "examples": [
            6250
          ]
        },
        "gateways": {
          "$ref": "#/$defs/gateways"
        }
      }
    },
    "gateways": {
      "description": "Which of the site's gateways work, where several run: `one` of them, and the others wait to take over; or `all`, and each bucket is worked by one of them.",
      "type": "string",
      "enum": [
        "one",
        "all"
      ],
      "default": "one",
      "errorMessage": "expected one or all"
    },
    "credentials": {
      "description": "How to log in at the site's NATS, in one of four ways: `credsFile`; `user` and `passwordFile`; `tokenFile`; `nkeySeedFile`. Each has a form that names an environment variable instead. The same settings may stand directly in the site.",
      "type": "object",
      "additionalProperties": false,
      "minProperties": 1,
      "errorMessage": "expected one way to log in, such as { credsFile: site-a.creds }",
      "properties": {
        "credsFile": {
          "$ref": "#/$defs/credsFile"
        },
        "credsEnv": {
          "$ref": "#/$defs/credsEnv"
        },
        "user": {
          "$ref": "#/$defs/user"
        },
        "passwordFile": {
          "$ref": "#/$defs/passwordFile"
        },
        "passwordEnv": {
          "$ref": "#/$defs/passwordEnv"
        },
        "password": {
          "$ref": "#/$defs/password"
        },
        "tokenFile": {
          "$ref": "#/$defs/tokenFile"
        },
        "tokenEnv": {
          "$ref": "#/$defs/tokenEnv"
        },
        "token": {
          "$ref": "#/$defs/token"
        },
        "nkeySeedFile": {
          "$ref": "#/$defs/nkeySeedFile"
        },
        "nkeySeedEnv": {
          "$ref": "#/$defs/nkeySeedEnv"
        },
        "nkeySeed": {
          "$ref": "#/$defs/nkeySeed"
        }
      }
    },
    "credsFile": {
      "$ref": "#/$defs/filePath",
      "description": "File with NATS credentials (JWT and seed), as `nsc` writes it. Read anew at each connection.",
      "examples": [
        "/run/secrets/site-a.creds"
      ]
    },
    "credsEnv": {
      "$ref": "#/$defs/environmentName",
      "description": "Environment variable that holds NATS credentials (JWT and seed).",
      "examples": [
        "NATS_CREDS"
      ]
    },
    "user": {
      "description": "User name; goes with `passwordFile`, `passwordEnv` or `password`.",
      "type": "string",
      "minLength": 1,
      "errorMessage": "expected a user name",
      "examples": [
        "gateway"
      ]
    },
    "passwordFile": {
      "$ref": "#/$defs/filePath",
      "description": "File that holds the user's password. Read anew at each connection.",
      "examples": [
        "/run/secrets/nats-password"
      ]
    },
    "passwordEnv": {
      "$ref": "#/$defs/environmentName",
      "description": "Environment variable that holds the user's password.",
      "examples": [
        "NATS_PASSWORD"
      ]
    },
    "password": {
      "$ref": "#/$defs/secret",
      "description": "The user's password itself; only with `allowInlineSecrets: true`."
    },
    "tokenFile": {
      "$ref": "#/$defs/filePath",
      "description": "File that holds a NATS token. Read anew at each connection.",
      "examples": [
        "/run/secrets/nats-token"
      ]
    },
    "tokenEnv": {
      "$ref": "#/$defs/environmentName",
      "description": "Environment variable that holds a NATS token.",
      "examples": [
        "NATS_TOKEN"
      ]
    },
    "token": {
      "$ref": "#/$defs/secret",
      "description": "The NATS token itself; only with `allowInlineSecrets: true`."
    },
    "nkeySeedFile": {
      "$ref": "#/$defs/filePath",
      "description": "File that holds an NKey seed (`SU…`). Read anew at each connection.",
      "examples": [
        "/run/secrets/gateway.nk"
      ]
    },
    "nkeySeedEnv": {
      "$ref": "#/$defs/environmentName",
      "description": "Environment variable that holds an NKey seed.",
      "examples": [
        "NATS_NKEY_SEED"
      ]
    },
    "nkeySeed": {
      "$ref": "#/$defs/secret",
      "description": "The NKey seed itself; only with `allowInlineSecrets: true`."
    },
    "tls": {
      "description": "TLS to the site's servers. `{}` uses TLS with the system's certificate authorities.",
      "type": "object",
      "additionalProperties": false,
      "errorMessage": "expected TLS settings such as { caFile: ca.pem }, or {} for the system's authorities",
      "properties": {
        "caFile": {
          "$ref": "#/$defs/filePath",
          "description": "Certificate authorities to trust, PEM.",
          "examples": [
            "/etc/kvgw/ca.pem"
          ]
        },
        "certFile": {
          "$ref": "#/$defs/filePath",
          "description": "Client certificate, PEM; goes with `keyFile`.",
          "examples": [
            "/etc/kvgw/client.pem"
          ]
        },
        "keyFile": {
          "$ref": "#/$defs/filePath",
          "description": "Key of the client certificate, PEM; goes with `certFile`.",
          "examples": [
            "/etc/kvgw/client-key.pem"
          ]
        },
        "serverName": {
          "description": "Name that the server's certificate must show, where it differs from the host of the address.",
          "type": "string",
          "minLength": 1,
          "maxLength": 253,
          "errorMessage": "expected a host name",
          "examples": [
            "nats.example.com"
          ]
        }
      }
    },
    "bucketSettings": {
      "description": "How one bucket is replicated. What is left out comes from `defaults`, then from the defaults named here.",
      "type": [
        "object",
        "null"
      ],
      "additionalProperties": false,
      "errorMessage": "expected the bucket's settings, such as { tombstoneTtl: 24h }, or nothing to use the defaults",
      "properties": {
        "subject": {
          "description": "Replication subject: operations travel on `<subject>.<origin>.<key>`. Left out it is `rep.kv.ops.<bucket>`. No bucket's subject may contain another's.",
          "type": "string",
          "minLength": 1,
          "maxLength": 256,
          "errorMessage": "expected a NATS subject such as rep.kv.ops.config",
          "examples": [
            "rep.kv.ops.config"
          ]
        },
        "sites": {
          "$ref": "#/$defs/participants"
        },
        "policy": {
          "$ref": "#/$defs/policy"
        },
        "tombstoneTtl": {
          "$ref": "#/$defs/tombstoneTtl"
        },
        "reconcileInterval": {
          "$ref": "#/$defs/reconcileInterval"
        },
        "maxClockSkew": {
          "$ref": "#/$defs/maxClockSkew"
        },
        "format": {
          "$ref": "#/$defs/format"
        },
        "log": {
          "$ref": "#/$defs/logPlace"
        },
        "keys": {
          "$ref": "#/$defs/keys"
        },
        "limits": {
          "$ref": "#/$defs/limits"
        },
        "create": {
          "$ref": "#/$defs/create"
        },
        "priority": {
          "$ref": "#/$defs/priority"
        },
        "paused": {
          "$ref": "#/$defs/paused"
        }
      }
    },
    "bucketDefaults": {
      "description": "Settings for every bucket that does not say otherwise: any bucket setting but `subject`. `keys`, `limits` and `create` are merged setting by setting.",
      "type": [
        "object",
        "null"
      ],
      "additionalProperties": false,
      "errorMessage": "expected bucket settings, such as { tombstoneTtl: 24h }",
      "properties": {
        "sites": {
          "$ref": "#/$defs/participants"
        },
        "policy": {
          "$ref": "#/$defs/policy"
        },
        "tombstoneTtl": {
          "$ref": "#/$defs/tombstoneTtl"
        },
        "reconcileInterval": {
          "$ref": "#/$defs/reconcileInterval"
        },
        "maxClockSkew": {
          "$ref": "#/$defs/maxClockSkew"
        },
        "format": {
          "$ref": "#/$defs/format"
        },
        "log": {
          "$ref": "#/$defs/logPlace"
        },
        "keys": {
          "$ref": "#/$defs/keys"
        },
        "limits": {
          "$ref": "#/$defs/limits"
        },
        "create": {
          "$ref": "#/$defs/create"
        },
        "priority": {
          "$ref": "#/$defs/priority"
        },
        "paused": {
          "$ref": "#/$defs/paused"
        }
      },
      "examples": [
        {
          "tombstoneTtl": "7d",
          "create": {
            "replicas": 3
          }
        }
      ]
    },
    "participants": {
      "description": "The sites that take part; left out, all of them. A map where the local bucket has another name at a site: `{ site-a: , site-b: { bucket: cfg } }`.",
      "errorMessage": "expected a list of site names such as [site-a, site-b], or a map such as { site-a: , site-b: { bucket: cfg } }",
      "anyOf": [
        {
          "type": "array",
          "items": {
            "$ref": "#/$defs/siteName"
          },
          "minItems": 1,
          "maxItems": 1024,
          "uniqueItems": true
        },
        {
          "type": "object",
          "minProperties": 1,
          "propertyNames": {
            "$ref": "#/$defs/siteName"
          },
          "additionalProperties": {
            "$ref": "#/$defs/participant"
          }
        }
      ],
      "examples": [
        [
          "site-a",
          "site-b"
        ],
        {
          "site-a": null,
          "site-b": {
            "bucket": "cfg"
          }
        }
      ]
    },
    "participant": {
      "description": "How the bucket looks at one site. Empty: as everywhere.",
      "type": [
        "object",
        "null"
      ],
      "additionalProperties": false,
      "errorMessage": "expected { bucket: NAME }, or nothing where the bucket has the same name",
      "properties": {
        "bucket": {
          "$ref": "#/$defs/bucketName",
          "description": "Local name of the bucket at this site.",
          "examples": [
            "cfg"
          ]
        }
      }
    },
    "policy": {
      "description": "How concurrent writes of one key are decided. `lww`: the last writer wins, by `(ts, site)`.",
      "type": "string",
      "enum": [
        "lww"
      ],
      "default": "lww"
    },
    "tombstoneTtl": {
      "$ref": "#/$defs/duration",
      "description": "How long a delete is remembered at least. It is forgotten only once every site has it, too. Larger than `reconcileInterval`.",
      "default": "24h",
      "examples": [
        "24h",
        "7d"
      ]
    },
    "reconcileInterval": {
      "$ref": "#/$defs/duration",
      "description": "How often the sites are compared with each other and mended. At most 24d.",
      "default": "5m",
      "examples": [
        "30s",
        "5m"
      ]
    },
    "maxClockSkew": {
      "$ref": "#/$defs/duration",
      "description": "An operation that lies further than this in the future is set aside until its time comes.",
      "default": "1h",
      "examples": [
        "1h"
      ]
    },
    "format": {
      "description": "What an operation's payload looks like. `raw`: the value's bytes. `json`: `{op, bucket, key, value, ts, node_id}`, for simple agents in other languages.",
      "type": "string",
      "enum": [
        "raw",
        "json"
      ],
      "default": "raw"
    },
    "logPlace": {
      "description": "Where the operation logs live: `local` at each site, or the name of a hub site whose JetStream holds every site's log. The hub need not take part in the bucket.",
      "type": "string",
      "maxLength": 32,
      "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
      "errorMessage": "expected local or the name of a hub site",
      "default": "local",
      "examples": [
        "local",
        "site-a"
      ]
    },
    "keys": {
      "description": "Which keys take part, as NATS wildcards (`*` for one token, a last `>` for the rest). What is excluded is neither sent nor applied nor deleted.",
      "type": [
        "object",
        "null"
      ],
      "additionalProperties": false,
      "errorMessage": "expected key filters such as { include: [\">\"], exclude: [\"tmp.>\"] }",
      "properties": {
        "include": {
          "description": "Keys that take part.",
          "type": "array",
          "items": {
            "$ref": "#/$defs/keyPattern"
          },
          "minItems": 1,
          "maxItems": 256,
          "uniqueItems": true,
          "default": [
            ">"
          ],
          "errorMessage": "expected a list of key filters such as [\"app.>\"]",
          "examples": [
            [
              "app.>",
              "shared.*"
            ]
          ]
        },
        "exclude": {
          "description": "Keys that do not, even where `include` names them.",
          "type": "array",
          "items": {
            "$ref": "#/$defs/keyPattern"
          },
          "maxItems": 256,
          "uniqueItems": true,
          "default": [],
          "errorMessage": "expected a list of key filters such as [\"tmp.>\"]",
          "examples": [
            [
              "tmp.>"
            ]
          ]
        }
      }
    },
    "keyPattern": {
      "description": "Keys by NATS wildcards.",
      "type": "string",
      "minLength": 1,
      "maxLength": 1024,
      "errorMessage": "expected a key filter in quotes, such as \">\" or \"app.*\""
    },
    "limits": {
      "description": "What the bucket may take of the machine.",
      "type": [
        "object",
        "null"
      ],
      "additionalProperties": false,
      "errorMessage": "expected limits such as { inFlight: 1024, opsPerSecond: 0 }",
      "properties": {
        "inFlight": {
          "description": "Writes under way at the same time, at most.",
          "type": "integer",
          "minimum": 1,
          "maximum": 65536,
          "default": 1024
        },
        "opsPerSecond": {
          "description": "Operations applied per second, at most; 0 for no limit.",
          "type": "integer",
          "minimum": 0,
          "maximum": 10000000,
          "default": 0
        }
      }
    },
    "create": {
      "description": "How a local bucket that is missing is made; `false` waits until somebody else makes it. A bucket that exists is never changed.",
      "errorMessage": "expected false, or settings such as { history: 1, storage: file, replicas: 1 }",
      "anyOf": [
        {
          "const": false
        },
        {
          "$ref": "#/$defs/createSettings"
        }
      ],
      "examples": [
        {
          "history": 5,
          "replicas": 3
        },
        false
      ]
    },
    "createSettings": {
      "description": "How a missing local bucket is made.",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "history": {
          "description": "Revisions kept per key.",
          "type": "integer",
          "minimum": 1,
          "maximum": 64,
          "default": 1
        },
        "storage": {
          "description": "Where NATS keeps the bucket.",
          "type": "string",
          "enum": [
            "file",
            "memory"
          ],
          "default": "file"
        },
        "replicas": {
          "description": "Copies within the site's NATS cluster. A single server makes one. The operation log and the site's state get as many as the bucket has.",
          "type": "integer",
          "minimum": 1,
          "maximum": 5,
          "default": 1
        }
      }
    },
    "priority": {
      "description": "Which bucket catches up first over a link that several of them wait for: 10 first, 1 last. Each step has twice the share of the step below, so that the last one gets on, too.",
      "type": "integer",
      "minimum": 1,
      "maximum": 10,
      "default": 5
    },
    "paused": {
      "description": "Holds the bucket's replication: nothing is sent or applied until it is false again.",
      "type": "boolean",
      "default": false,
      "errorMessage": "expected true or false"
    },
    "httpSettings": {
      "description": "The HTTP server: API, metrics, health and status page.",
      "type": [
        "object",
        "null"
      ],
      "additionalProperties": false,
      "errorMessage": "expected settings such as { listen: \"127.0.0.1:9480\" }",
      "properties": {
        "listen": {
          "description": "Where to listen, `host:port`. Port 0 takes any free one; `0.0.0.0` listens on all addresses.",
          "type": "string",
          "maxLength": 260,
          "pattern": "^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+):[0-9]{1,5}$",
          "default": "127.0.0.1:9480",
          "errorMessage": "expected host:port such as 127.0.0.1:9480",
          "examples": [
            "127.0.0.1:9480",
            "0.0.0.0:9480",
            "[::1]:9480"
          ]
        }
      }
    },
    "logSettings": {
      "description": "The process's own log, JSON lines on stderr.",
      "type": [
        "object",
        "null"
      ],
      "additionalProperties": false,
      "errorMessage": "expected settings such as { level: info }",
      "properties": {
        "level": {
          "description": "The least important lines that are still written.",
          "type": "string",
          "enum": [
            "trace",
            "debug",
            "info",
            "warn",
            "error"
          ],
          "default": "info"
        }
      }
    }
  }
} as const;
