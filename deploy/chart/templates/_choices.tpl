{{- /* "yes" on PostgreSQL, nothing on SQLite. */ -}}
{{- define "prewarm.postgres" -}}
{{- if or .Values.database.url .Values.database.existingSecret -}}yes{{- end -}}
{{- end -}}

{{- /* "yes" where the password alone comes from a Secret, which is then mounted. */ -}}
{{- define "prewarm.password" -}}
{{- if and .Values.database.url .Values.database.existingSecret -}}yes{{- end -}}
{{- end -}}

{{- define "prewarm.replicas" -}}
{{- $usual := ternary 2 1 (eq (include "prewarm.postgres" .) "yes") -}}
{{- $wanted := kindIs "invalid" .Values.replicas | ternary $usual .Values.replicas | int -}}
{{- if and (gt $wanted 1) (not (include "prewarm.postgres" .)) -}}
{{- fail (printf "replicas: %d needs PostgreSQL, for SQLite has one writer: set database.url or database.existingSecret, or replicas: 1" $wanted) -}}
{{- end -}}
{{- $wanted -}}
{{- end -}}

{{- define "prewarm.tlsSecret" -}}
{{- if .Values.tls.secretName -}}
{{- if .Values.tls.certManager.enabled -}}
{{- fail "tls.secretName and tls.certManager.enabled cannot stand beside each other: give one of them" -}}
{{- end -}}
{{- .Values.tls.secretName -}}
{{- else if .Values.tls.certManager.enabled -}}
{{ include "prewarm.fullname" . }}-tls
{{- else if or .Values.tls.mutual .Values.tls.clientCaSecret -}}
{{- fail "tls.mutual and tls.clientCaSecret need a certificate: set tls.secretName or tls.certManager.enabled" -}}
{{- end -}}
{{- end -}}

{{- /* "yes" where callers must show a certificate. */ -}}
{{- define "prewarm.mutual" -}}
{{- if or .Values.tls.mutual .Values.tls.clientCaSecret -}}yes{{- end -}}
{{- end -}}

{{- /* The server's configuration. Numbers of YAML are floats to Helm; TOML tells them apart. */ -}}
{{- define "prewarm.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- range $key := list "listen" "http" "database" "databasePasswordFile" "sources" "allow" "tls" -}}
{{- if hasKey $config $key -}}
{{- fail (printf "config.%s is what the chart writes itself: use its values database, sources, allow and tls" $key) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $config "listen" "0.0.0.0:9090" -}}
{{- $_ := set $config "http" "0.0.0.0:9091" -}}
{{- if not (include "prewarm.postgres" .) -}}
{{- $_ := set $config "database" "sqlite:///data/prewarm.db" -}}
{{- else if include "prewarm.password" . -}}
{{- $_ := set $config "database" .Values.database.url -}}
{{- $_ := set $config "databasePasswordFile" "/var/run/secrets/prewarm/password" -}}
{{- end -}}
{{- if not (hasKey $config "spillDirectory") -}}
{{- $_ := set $config "spillDirectory" "/data/spill" -}}
{{- end -}}
{{- $_ := set $config "sources" .Values.sources -}}
{{- $_ := set $config "allow" .Values.allow -}}
{{- if include "prewarm.tlsSecret" . -}}
{{- $tls := dict "cert" "/etc/prewarm-tls/tls.crt" "key" "/etc/prewarm-tls/tls.key" -}}
{{- if include "prewarm.mutual" . -}}
{{- $_ := set $tls "clientCa" (ternary "/etc/prewarm-client-ca/ca.crt" "/etc/prewarm-tls/ca.crt" (ne .Values.tls.clientCaSecret "")) -}}
{{- with .Values.tls.clientNames -}}
{{- $_ := set $tls "clientNames" . -}}
{{- end -}}
{{- end -}}
{{- $_ := set $config "tls" $tls -}}
{{- end -}}
{{- if not .Values.rbac.create -}}
{{- $_ := set $config "cluster" (merge (dict "access" "off") (default dict $config.cluster)) -}}
{{- end -}}
{{- regexReplaceAll "(?m)^(\\s*[A-Za-z0-9_.\"-]+ = -?[0-9]+)\\.0$" (toToml $config) "${1}" | trim -}}
{{- end -}}
