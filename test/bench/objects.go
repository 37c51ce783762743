package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

var (
	namespacesKind  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	deploymentsKind = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	replicaSetsKind = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
)

const perNamespace = 100 // Deployments

// filling writes Deployments, each with the ReplicaSets of its revisions, through the API server, as their controllers would
// have left them: the last revision is available and the ones before it are scaled down. There are no pods.
type filling struct {
	client    dynamic.Interface
	revisions int
}

func fill(ctx context.Context, kubeconfig string, deployments, revisions int) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1 // as fast as the API server takes it
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	f := filling{client, revisions}
	for i := 0; i < deployments; i += perNamespace {
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespaceOf(i)}}}
		if _, err := client.Resource(namespacesKind).Create(ctx, o, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("make a namespace: %w", err)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i := range deployments {
		g.Go(func() error { return f.deployment(ctx, i) })
	}
	return g.Wait()
}

func namespaceOf(i int) string { return fmt.Sprint("team-", i/perNamespace) }

func (f *filling) deployment(ctx context.Context, i int) error {
	name := fmt.Sprint("service-", i)
	of := f.client.Resource(deploymentsKind).Namespace(namespaceOf(i))
	o, err := decoded(fmt.Sprintf(`{"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": {"name": %q, "labels": {"app.kubernetes.io/name": %[1]q}, "annotations": {"deployment.kubernetes.io/revision": "%[2]d", "kubernetes.io/change-cause": "release %[2]d"}},
		"spec": {"replicas": 2, "revisionHistoryLimit": 10, "selector": {"matchLabels": {"app": %[1]q}}, "template": %[3]s}}`,
		name, f.revisions, template(name, f.revisions, "")))
	if err != nil {
		return err
	}
	if o, err = of.Create(ctx, o, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("make a Deployment: %w", err)
	}
	for r := 1; r <= f.revisions; r++ {
		if err := f.replicaSet(ctx, o, r); err != nil {
			return err
		}
	}
	status := `{"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2, "conditions": [
		{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "Deployment has minimum availability.", "lastUpdateTime": %[1]q, "lastTransitionTime": %[1]q},
		{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "ReplicaSet has successfully progressed.", "lastUpdateTime": %[1]q, "lastTransitionTime": %[1]q}]}`
	return setStatus(ctx, of, o, fmt.Sprintf(status, o.GetCreationTimestamp().UTC().Format("2006-01-02T15:04:05Z")))
}

func (f *filling) replicaSet(ctx context.Context, owner *unstructured.Unstructured, revision int) error {
	of, app := f.client.Resource(replicaSetsKind).Namespace(owner.GetNamespace()), owner.GetName()
	hash := fmt.Sprintf("%s-%d", "7c9f8d6b5", revision)
	replicas := 0
	if revision == f.revisions {
		replicas = 2
	}
	o, err := decoded(fmt.Sprintf(`{"apiVersion": "apps/v1", "kind": "ReplicaSet",
		"metadata": {"name": "%[1]s-%[2]s", "labels": {"app": %[1]q, "pod-template-hash": %[2]q},
			"annotations": {"deployment.kubernetes.io/revision": "%[3]d", "deployment.kubernetes.io/desired-replicas": "2", "deployment.kubernetes.io/max-replicas": "3", "kubernetes.io/change-cause": "release %[3]d"},
			"ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": %[1]q, "uid": %[4]q, "controller": true, "blockOwnerDeletion": true}]},
		"spec": {"replicas": %[5]d, "selector": {"matchLabels": {"app": %[1]q, "pod-template-hash": %[2]q}}, "template": %[6]s}}`,
		app, hash, revision, owner.GetUID(), replicas, template(app, revision, hash)))
	if err != nil {
		return err
	}
	if o, err = of.Create(ctx, o, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("make a ReplicaSet: %w", err)
	}
	if replicas == 0 {
		return nil
	}
	return setStatus(ctx, of, o, `{"replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2, "observedGeneration": 1}`)
}

func setStatus(ctx context.Context, of dynamic.ResourceInterface, o *unstructured.Unstructured, status string) error {
	var into map[string]any
	if err := json.Unmarshal([]byte(status), &into); err != nil {
		return err
	}
	o.Object["status"] = into
	if _, err := of.UpdateStatus(ctx, o, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("set the status of %s: %w", o.GetName(), err)
	}
	return nil
}

func decoded(text string) (*unstructured.Unstructured, error) {
	o := &unstructured.Unstructured{}
	return o, json.Unmarshal([]byte(text), &o.Object)
}

// template is a pod template of an ordinary size. Its digest differs by revision.
func template(app string, revision int, hash string) string {
	labels := map[string]string{"app": app}
	if hash != "" {
		labels["pod-template-hash"] = hash
	}
	var env []map[string]string
	for i := range 12 {
		env = append(env, map[string]string{"name": fmt.Sprint("SETTING_", i), "value": fmt.Sprintf("https://internal-%d.%s.example.test/path", i, app)})
	}
	probe := map[string]any{"httpGet": map[string]any{"path": "/healthz", "port": 8080}, "periodSeconds": 5}
	text, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"labels": labels, "annotations": map[string]string{"prometheus.io/scrape": "true"}},
		"spec": map[string]any{"containers": []any{map[string]any{
			"name": "app", "image": fmt.Sprintf("registry.test/%s@sha256:%x", app, sha256.Sum256(fmt.Append(nil, app, revision))), "env": env,
			"ports": []any{map[string]any{"containerPort": 8080}}, "readinessProbe": probe, "livenessProbe": probe,
			"resources": map[string]any{"requests": map[string]string{"cpu": "100m", "memory": "128Mi"}, "limits": map[string]string{"memory": "256Mi"}},
		}}},
	})
	if err != nil {
		panic(err) // maps of texts can always be written
	}
	return string(text)
}
