{{/*
What parses and must not be installed, each with its mend: rules over several values, what has no default, and what people
get wrong first. Everything else about the configuration itself is `mandate check`'s to say. Every template begins with
this, because each would otherwise stumble over such values in words of its own.
*/}}
{{- define "mandate.refusals" -}}
{{- include "mandate.emptied" . -}}
{{- $config := .Values.config -}}
{{- $listen := $config.listen -}}
{{- $repository := .Values.image.repository -}}
{{- if not $repository -}}
{{- fail "image.repository is missing. To mend it: name where the release workflow pushed the image, registry included." -}}
{{- end -}}
{{- if not (regexMatch "^([a-z0-9.-]+(:[0-9]+)?/)?[a-z0-9._/-]+$" $repository) -}}
{{- fail (printf "image.repository is %s, which is no name of an image. To mend it: write it in lower case, without https:// and without a tag: that stands in image.tag." $repository) -}}
{{- end -}}
{{- if not $config.publicUrl -}}
{{- fail "config.publicUrl is missing. To mend it: write the origin that browsers and machines see, such as https://mandate.example." -}}
{{- end -}}
{{- if not (regexMatch "^(https://[^/?#@]+/?|http://(localhost|127[.][0-9.]+)(:[0-9]+)?/?)$" (toString $config.publicUrl)) -}}
{{- fail (printf "config.publicUrl is %v, which is no origin of https. To mend it: write https:// and the host, without a path, such as https://mandate.example." $config.publicUrl) -}}
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
{{- include "mandate.clearRefusals" . -}}
{{- $open := or (eq .Values.service.type "LoadBalancer") (and (eq .Values.service.type "NodePort") (not .Values.ingress.enabled)) -}}
{{- if and $listen.http $open -}}
{{- fail (printf "service.type is %s and config.listen has http: cookies and tokens would cross the network in clear. To mend it: write listen: { http: null, https: { port: 8443, cert: ..., key: ... } }, or service.type: ClusterIP behind an ingress controller that ends TLS." .Values.service.type) -}}
{{- end -}}
{{- $file := toString (dig "audit" "file" "-" $config) -}}
{{- if ne $file "-" -}}
{{- $writable := false -}}
{{- range .Values.extraVolumeMounts -}}
{{- if and (not .readOnly) (not .subPath) (hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) $file) -}}{{- $writable = true -}}{{- end -}}
{{- end -}}
{{- if not $writable -}}
{{- fail (printf "config.audit.file is %s, where nothing can be written: the root of the container is read-only. To mend it: mount a volume there by extraVolumes and extraVolumeMounts, or leave audit.file out and have standard output collected." $file) -}}
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
{{- $decides := or (regexMatch "(?i)auth|snippet" (regexReplaceAll "^.*/" $key "")) (and (hasSuffix "middlewares" $key) (regexMatch "(?i)auth" (toString $value))) -}}
{{- if and $decides (not $off) -}}
{{- fail (printf "ingress.annotations has %s: the ingress controller would decide who comes, before Mandate. To mend it: take it out; for an ingress that asks Mandate before it forwards, read docs/guides/forward-auth.md." $key) -}}
{{- end -}}
{{- end -}}
{{- range $range := .Values.networkPolicy.outside.to -}}
{{- if and (eq .cidr "0.0.0.0/0") (not (has "169.254.0.0/16" (.except | default list))) -}}
{{- fail "networkPolicy.outside.to reaches 169.254.0.0/16, where clouds tell a machine its own credentials. To mend it: list it under except, or write narrower ranges." -}}
{{- end -}}
{{- range $own := list "fd00:ec2::23/128" "fd00:ec2::254/128" -}}
{{- if and (eq $range.cidr "::/0") (not (has $own ($range.except | default list))) -}}
{{- fail (printf "networkPolicy.outside.to reaches %s, where clouds tell a machine its own credentials. To mend it: list fe80::/10, fd00:ec2::23/128 and fd00:ec2::254/128 under except, or write narrower ranges." (trimSuffix "/128" $own)) -}}
{{- end -}}
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
{{- with .Values.podDisruptionBudget.maxUnavailable -}}
{{- if not (regexMatch "^([1-9][0-9]*|[1-9][0-9]?%|100%)$" (toString .)) -}}
{{- fail (printf "podDisruptionBudget.maxUnavailable is %v. To mend it: write a number from 1 on, or a percentage such as 30%%; with 0 no node could be emptied." .) -}}
{{- end -}}
{{- else -}}
{{- if .Values.podDisruptionBudget.enabled -}}
{{- fail "podDisruptionBudget.maxUnavailable is 0 or missing, so no node could ever be emptied. To mend it: write a number from 1 on, or a percentage such as 30%." -}}
{{- end -}}
{{- end -}}
{{- if le (int .Values.terminationGracePeriodSeconds) (add 5 (int .Values.preStopSeconds)) -}}
{{- fail "terminationGracePeriodSeconds leaves no time to finish. To mend it: write more than preStopSeconds and 5." -}}
{{- end -}}
{{- end -}}

{{/* What null takes out is empty where "none" makes sense, and refused where it does not: else a template stumbles over nil. */}}
{{- define "mandate.emptied" -}}
{{- range list "image" "service" "resources" "runAs" "serviceAccount" -}}
{{- if not (get $.Values .) -}}
{{- fail (printf "%s is null. To mend it: leave it out, and its defaults stand." .) -}}
{{- end -}}
{{- end -}}
{{- range list "env" "secretEnv" "ingress" "networkPolicy" "podDisruptionBudget" "serviceMonitor" "topologySpread" -}}
{{- if not (get $.Values .) -}}{{- $_ := set $.Values . dict -}}{{- end -}}
{{- end -}}
{{- range list "tls" "certManager" "nginx" "annotations" -}}
{{- if not (get $.Values.ingress .) -}}{{- $_ := set $.Values.ingress . dict -}}{{- end -}}
{{- end -}}
{{- range list "dns" "outside" -}}
{{- if not (get $.Values.networkPolicy .) -}}{{- $_ := set $.Values.networkPolicy . dict -}}{{- end -}}
{{- end -}}
{{- end -}}
