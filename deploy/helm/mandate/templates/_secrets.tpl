{{/* Secrets in clear: the configuration is a ConfigMap, and so is readable to many more than a Secret is. No value is repeated. */}}
{{- define "mandate.clearRefusals" -}}
{{- $config := .Values.config -}}
{{- $secrets := dict -}}
{{- with dig "redis" dict $config.store -}}
{{- with .url -}}{{- $_ := set $secrets "store.redis.url" . -}}{{- end -}}
{{- range $at, $key := .keys -}}{{- $_ := set $secrets (printf "store.redis.keys[%d].key" $at) $key.key -}}{{- end -}}
{{- end -}}
{{- range $name, $provider := $config.providers -}}
{{- range $part := list "secret" "key" -}}
{{- with dig "clientAuth" $part "" $provider -}}{{- $_ := set $secrets (printf "providers.%s.clientAuth.%s" $name $part) . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- range $part := list "https" "forwardAuth" -}}
{{- with get $config.listen $part -}}{{- with .key -}}{{- $_ := set $secrets (printf "listen.%s.key" $part) . -}}{{- end -}}{{- end -}}
{{- end -}}
{{- range $name, $cluster := $config.clusters -}}
{{- with dig "as" "token" "" $cluster -}}{{- $_ := set $secrets (printf "clusters.%s.as.token" $name) . -}}{{- end -}}
{{- end -}}
{{- range $name, $broker := $config.brokered -}}
{{- with dig "account" "token" "" $broker -}}{{- $_ := set $secrets (printf "brokered.%s.account.token" $name) . -}}{{- end -}}
{{- end -}}
{{- range $path, $value := $secrets -}}
{{- if not (kindIs "map" $value) -}}
{{- fail (printf "config.%s is a secret in clear, which would stand in a ConfigMap. To mend it: put it into a Secret, and write { env: NAME } here with secretEnv.NAME: { secret: name, key: key }, or { file: PATH } with secretFiles. Change the secret as well if others have seen these values." $path) -}}
{{- end -}}
{{- $clear := get $.Values.env (default "" $value.env) | toString -}}
{{- if and $clear (or (ne $path "store.redis.url") (contains "@" $clear)) -}}
{{- fail (printf "env.%s is a secret in clear: config.%s takes it. To mend it: put it into a Secret, and write secretEnv.%s: { secret: name, key: key } instead." $value.env $path $value.env) -}}
{{- end -}}
{{- end -}}
{{- end -}}
