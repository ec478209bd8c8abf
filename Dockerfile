# One gateway for one site: docker run -e KVGW_SITE=site-a -v "$PWD/config:/app/config:ro" -p 127.0.0.1:9480:9480 nats-kv-gateway

FROM node:24-slim AS build
WORKDIR /app
# The packages come first: they change less often than the sources, and an unchanged layer is not built again.
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build && npm prune --omit=dev

FROM node:24-slim
# In a container 127.0.0.1 is nobody else's; what is reachable from outside is decided by what is published.
ENV NODE_ENV=production KVGW_HTTP=0.0.0.0:9480
WORKDIR /app
# Everything stays owned by root: the gateway cannot change its own code, and writes no files at all.
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# `kvgw demo` looks for a nats-server by this; every start loads it.
COPY --from=build /app/scripts/nats-server.mjs ./scripts/
COPY schemas ./schemas
# A default to try it with. Mount the folder rather than the file, so that a saved change is seen.
COPY config ./config
USER node
EXPOSE 9480
# Asks where KVGW_HTTP says. It depends on the process alone: a NATS that is away is no reason to restart a gateway.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.KVGW_HTTP.split(':').at(-1) + '/livez').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["run"]
