{{/*
What parses and must not be installed, each with its mend: rules over several values, and what has no default. Everything
else about the configuration itself is `mandate check`'s to say.
*/}}
{{- define "mandate.refusals" -}}
{{- $config := .Values.config -}}
{{- $listen := $config.listen -}}
{{- if not $config.publicUrl -}}
{{- fail "config.publicUrl is missing. To mend it: write the origin that browsers and machines see, such as https://mandate.example." -}}
{{- end -}}
{{- if not $config.providers -}}
{{- fail "config.providers is empty. To mend it: configure at least one, as docs/reference/config.md has them." -}}
{{- end -}}
{{- if not $config.store -}}
{{- fail "config.store is missing. To mend it: write store.redis with its url and keys; or, for one replica, store: { memory: singleReplica } and replicas: 1." -}}
{{- end -}}
{{- if and $config.store.memory $config.store.redis -}}
{{- fail "config.store has memory and redis. To mend it: keep one." -}}
{{- end -}}
{{- if and $config.store.memory (gt (int .Values.replicas) 1) -}}
{{- fail (printf "replicas is %d, and config.store keeps everything in one process: a sign-out at one replica would not end the login at another. To mend it: write config.store.redis, or replicas: 1." (int .Values.replicas)) -}}
{{- end -}}
{{- if not (or $listen.http $listen.https) -}}
{{- fail "config.listen has neither http nor https. To mend it: write http behind an ingress controller that ends TLS, or https with cert and key." -}}
{{- end -}}
{{- if and $listen.http (not $listen.behind) -}}
{{- fail "config.listen.behind is empty, so plain http would be taken from anybody. To mend it: list the ranges from which the ingress controller connects, mostly those of pods." -}}
{{- end -}}
{{- range $name := list "http" "https" "forwardAuth" "operations" -}}
{{- with get $listen $name -}}
{{- $host := default (ternary "0.0.0.0" "127.0.0.1" (eq $name "https")) .host -}}
{{- if or (hasPrefix "127." $host) (eq $host "localhost") (eq $host "::1") -}}
{{- fail (printf "config.listen.%s.host is %s, where neither probes nor other pods reach it. To mend it: write host: 0.0.0.0." $name $host) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingress.certManager.clusterIssuer .Values.ingress.certManager.issuer -}}
{{- fail "ingress.certManager has clusterIssuer and issuer. To mend it: keep one." -}}
{{- end -}}
{{- if and (or .Values.ingress.certManager.clusterIssuer .Values.ingress.certManager.issuer) (not .Values.ingress.tls.secretName) -}}
{{- fail "ingress.tls.secretName is missing. To mend it: name the Secret that cert-manager shall fill." -}}
{{- end -}}
{{- range $key, $value := .Values.ingress.annotations -}}
{{- $off := and (hasSuffix "/enable-global-auth" $key) (eq $value "false") -}}
{{- if and (regexMatch "(?i)auth" (regexReplaceAll "^.*/" $key "")) (not $off) -}}
{{- fail (printf "ingress.annotations has %s: the ingress controller would decide who comes, before Mandate. To mend it: take it out; for an ingress that asks Mandate before it forwards, read docs/guides/forward-auth.md." $key) -}}
{{- end -}}
{{- end -}}
{{- range regexFindAll "[{]\"env\":\"[A-Za-z0-9_]+\"[}]" (toJson $config) -1 -}}
{{- $name := get (fromJson .) "env" -}}
{{- if not (or (hasKey $.Values.env $name) (hasKey $.Values.secretEnv $name)) -}}
{{- fail (printf "config names the environment variable %s, which nothing sets. To mend it: write secretEnv.%s: { secret: name, key: key }, or env.%s if it is no secret." $name $name $name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := .Values.secretEnv -}}
{{- if hasKey $.Values.env $name -}}
{{- fail (printf "%s stands in env and in secretEnv. To mend it: keep one." $name) -}}
{{- end -}}
{{- end -}}
{{- if le (int .Values.terminationGracePeriodSeconds) (add 5 (int .Values.preStopSeconds)) -}}
{{- fail "terminationGracePeriodSeconds leaves no time to finish. To mend it: write more than preStopSeconds and 5." -}}
{{- end -}}
{{- end -}}
