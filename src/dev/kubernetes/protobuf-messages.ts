/*
 * The field numbers of the messages a client may send when it creates something (the `generated.proto` files of
 * k8s.io/api). Only reading is needed: answers are JSON, which every Accept of a typed client allows.
 *
 * A field is `number:name:type`. Before the type, `[]` is a list and `{}` a map of strings to it. After it, `?` means
 * that a zero value was set on purpose (a pointer in Go); otherwise zero is the same as absent. The name `*` puts the
 * fields of a message into the one around it, and the type `-` is left out because a creation ignores it.
 */
export const protobufMessages: Readonly<Record<string, string>> = {
  ConfigMap: '1:metadata:ObjectMeta 4:immutable:bool? 2:data:{}string 3:binaryData:{}bytes',
  Secret: '1:metadata:ObjectMeta 5:immutable:bool? 2:data:{}bytes 4:stringData:{}string 3:type:string',
  Namespace: '1:metadata:ObjectMeta 2:spec:NamespaceSpec 3:status:-',
  ServiceAccount:
    '1:metadata:ObjectMeta 2:secrets:[]ObjectReference 3:imagePullSecrets:[]LocalObjectReference 4:automountServiceAccountToken:bool?',
  Service: '1:metadata:ObjectMeta 2:spec:ServiceSpec 3:status:-',
  Pod: '1:metadata:ObjectMeta 2:spec:PodSpec 3:status:-',
  Event:
    '1:metadata:ObjectMeta 2:involvedObject:ObjectReference 3:reason:string 4:message:string 5:source:EventSource 6:firstTimestamp:Time ' +
    '7:lastTimestamp:Time 8:count:int 9:type:string 10:eventTime:Time 11:series:EventSeries 12:action:string ' +
    '13:related:ObjectReference 14:reportingComponent:string 15:reportingInstance:string',
  Deployment: '1:metadata:ObjectMeta 2:spec:DeploymentSpec 3:status:-',
  Job: '1:metadata:ObjectMeta 2:spec:JobSpec 3:status:-',
  Lease: '1:metadata:ObjectMeta 2:spec:LeaseSpec',
  Role: '1:metadata:ObjectMeta 2:rules:[]PolicyRule',
  ClusterRole: '1:metadata:ObjectMeta 2:rules:[]PolicyRule',
  RoleBinding: '1:metadata:ObjectMeta 2:subjects:[]Subject 3:roleRef:RoleRef',
  ClusterRoleBinding: '1:metadata:ObjectMeta 2:subjects:[]Subject 3:roleRef:RoleRef',
  SelfSubjectReview: '1:metadata:ObjectMeta 2:status:-',
  SelfSubjectAccessReview: '1:metadata:ObjectMeta 2:spec:AccessReviewSpec 3:status:-',
  SelfSubjectRulesReview: '1:metadata:ObjectMeta 2:spec:RulesReviewSpec 3:status:-',
  SubjectAccessReview: '1:metadata:ObjectMeta 2:spec:SubjectAccessReviewSpec 3:status:-',
  TokenRequest: '1:metadata:ObjectMeta 2:spec:TokenRequestSpec 3:status:-',
  DeleteOptions:
    '1:gracePeriodSeconds:int? 2:preconditions:Preconditions 3:orphanDependents:bool? 4:propagationPolicy:string 5:dryRun:[]string',

  ObjectMeta:
    '1:name:string 2:generateName:string 3:namespace:string 4:selfLink:string 5:uid:string 6:resourceVersion:string 7:generation:int ' +
    '8:creationTimestamp:Time 9:deletionTimestamp:Time 10:deletionGracePeriodSeconds:int? 11:labels:{}string 12:annotations:{}string ' +
    '13:ownerReferences:[]OwnerReference 14:finalizers:[]string 17:managedFields:-',
  OwnerReference: '5:apiVersion:string 1:kind:string 3:name:string 4:uid:string 6:controller:bool? 7:blockOwnerDeletion:bool?',
  Preconditions: '1:uid:string 2:resourceVersion:string',
  TokenRequestSpec: '1:audiences:[]string 4:expirationSeconds:int? 3:boundObjectRef:BoundObjectReference?',
  BoundObjectReference: '1:kind:string 2:apiVersion:string 3:name:string 4:uid:string',
  NamespaceSpec: '1:finalizers:[]string',
  ObjectReference:
    '1:kind:string 2:namespace:string 3:name:string 4:uid:string 5:apiVersion:string 6:resourceVersion:string 7:fieldPath:string',
  LocalObjectReference: '1:name:string',
  EventSource: '1:component:string 2:host:string',
  EventSeries: '1:count:int 2:lastObservedTime:Time',
  LeaseSpec:
    '1:holderIdentity:string? 2:leaseDurationSeconds:int? 3:acquireTime:MicroTime 4:renewTime:MicroTime 5:leaseTransitions:int? ' +
    '6:strategy:string 7:preferredHolder:string',
  PolicyRule: '1:verbs:[]string 2:apiGroups:[]string 3:resources:[]string 4:resourceNames:[]string 5:nonResourceURLs:[]string',
  Subject: '1:kind:string 2:apiGroup:string 3:name:string 4:namespace:string',
  RoleRef: '1:apiGroup:string 2:kind:string 3:name:string',
  AccessReviewSpec: '1:resourceAttributes:ResourceAttributes? 2:nonResourceAttributes:NonResourceAttributes?',
  RulesReviewSpec: '1:namespace:string',
  SubjectAccessReviewSpec:
    '1:resourceAttributes:ResourceAttributes? 2:nonResourceAttributes:NonResourceAttributes? 3:user:string 4:groups:[]string ' +
    '5:extra:{}ExtraValue 6:uid:string',
  ExtraValue: '1:items:[]string',
  ResourceAttributes:
    '1:namespace:string 2:verb:string 3:group:string 4:version:string 5:resource:string 6:subresource:string 7:name:string',
  NonResourceAttributes: '1:path:string 2:verb:string',

  ServiceSpec:
    '1:ports:[]ServicePort 2:selector:{}string 3:clusterIP:string 18:clusterIPs:[]string 4:type:string 5:externalIPs:[]string ' +
    '7:sessionAffinity:string 8:loadBalancerIP:string 10:externalName:string 11:externalTrafficPolicy:string 12:healthCheckNodePort:int ' +
    '13:publishNotReadyAddresses:bool 17:ipFamilyPolicy:string 19:ipFamilies:[]string 21:loadBalancerClass:string 22:internalTrafficPolicy:string',
  ServicePort: '1:name:string 2:protocol:string 3:port:int 4:targetPort:IntOrString 5:nodePort:int 6:appProtocol:string',
  DeploymentSpec:
    '1:replicas:int? 2:selector:LabelSelector? 3:template:PodTemplateSpec 4:strategy:DeploymentStrategy 5:minReadySeconds:int ' +
    '6:revisionHistoryLimit:int? 7:paused:bool 9:progressDeadlineSeconds:int?',
  DeploymentStrategy: '1:type:string 2:rollingUpdate:RollingUpdate',
  RollingUpdate: '1:maxUnavailable:IntOrString 2:maxSurge:IntOrString',
  LabelSelector: '1:matchLabels:{}string 2:matchExpressions:[]LabelSelectorRequirement',
  LabelSelectorRequirement: '1:key:string 2:operator:string 3:values:[]string',
  JobSpec:
    '1:parallelism:int? 2:completions:int? 3:activeDeadlineSeconds:int? 7:backoffLimit:int? 4:selector:LabelSelector? ' +
    '5:manualSelector:bool? 6:template:PodTemplateSpec 8:ttlSecondsAfterFinished:int? 9:completionMode:string 10:suspend:bool?',
  PodTemplateSpec: '1:metadata:ObjectMeta 2:spec:PodSpec',
  PodSpec:
    '1:volumes:[]Volume 20:initContainers:[]Container 2:containers:[]Container 3:restartPolicy:string 4:terminationGracePeriodSeconds:int? ' +
    '5:activeDeadlineSeconds:int? 6:dnsPolicy:string 7:nodeSelector:{}string 8:serviceAccountName:string 9:serviceAccount:string ' +
    '21:automountServiceAccountToken:bool? 10:nodeName:string 11:hostNetwork:bool 12:hostPID:bool 13:hostIPC:bool 27:shareProcessNamespace:bool? ' +
    '14:securityContext:PodSecurityContext? 15:imagePullSecrets:[]LocalObjectReference 16:hostname:string 17:subdomain:string ' +
    '19:schedulerName:string 22:tolerations:[]Toleration 24:priorityClassName:string 25:priority:int? 30:enableServiceLinks:bool? ' +
    '31:preemptionPolicy:string',
  PodSecurityContext: '2:runAsUser:int? 6:runAsGroup:int? 3:runAsNonRoot:bool? 4:supplementalGroups:[]int 5:fsGroup:int?',
  Toleration: '1:key:string 2:operator:string 3:value:string 4:effect:string 5:tolerationSeconds:int?',
  Volume: '1:name:string 2:*:VolumeSource',
  VolumeSource: '2:emptyDir:EmptyDir? 6:secret:SecretVolume 19:configMap:ConfigMapVolume',
  EmptyDir: '1:medium:string 2:sizeLimit:Quantity',
  SecretVolume: '1:secretName:string 2:items:[]KeyToPath 3:defaultMode:int? 4:optional:bool?',
  ConfigMapVolume: '1:*:LocalObjectReference 2:items:[]KeyToPath 3:defaultMode:int? 4:optional:bool?',
  KeyToPath: '1:key:string 2:path:string 3:mode:int?',
  Container:
    '1:name:string 2:image:string 3:command:[]string 4:args:[]string 5:workingDir:string 6:ports:[]ContainerPort 19:envFrom:[]EnvFrom ' +
    '7:env:[]EnvVar 8:resources:Resources 24:restartPolicy:string? 9:volumeMounts:[]VolumeMount 13:terminationMessagePath:string ' +
    '20:terminationMessagePolicy:string 14:imagePullPolicy:string 15:securityContext:SecurityContext? 16:stdin:bool 17:stdinOnce:bool 18:tty:bool',
  ContainerPort: '1:name:string 2:hostPort:int 3:containerPort:int 4:protocol:string 5:hostIP:string',
  EnvFrom: '1:prefix:string 2:configMapRef:EnvFromSource 3:secretRef:EnvFromSource',
  EnvFromSource: '1:*:LocalObjectReference 2:optional:bool?',
  EnvVar: '1:name:string 2:value:string 3:valueFrom:EnvVarSource',
  EnvVarSource: '1:fieldRef:FieldRef 3:configMapKeyRef:KeySelector 4:secretKeyRef:KeySelector',
  FieldRef: '1:apiVersion:string 2:fieldPath:string',
  KeySelector: '1:*:LocalObjectReference 2:key:string 3:optional:bool?',
  Resources: '1:limits:{}Quantity 2:requests:{}Quantity',
  VolumeMount: '1:name:string 2:readOnly:bool 3:mountPath:string 4:subPath:string 5:mountPropagation:string 6:subPathExpr:string',
  SecurityContext:
    '1:capabilities:Capabilities 2:privileged:bool? 4:runAsUser:int? 8:runAsGroup:int? 5:runAsNonRoot:bool? ' +
    '6:readOnlyRootFilesystem:bool? 7:allowPrivilegeEscalation:bool?',
  Capabilities: '1:add:[]string 2:drop:[]string',
}
