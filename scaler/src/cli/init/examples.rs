//! The examples of `deploy/examples`.

/// A file of `deploy/examples`.
#[derive(Debug)]
pub(super) struct Example {
    /// Its name, without `.yaml`.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) about: &'static str,
    /// What its workload is called there.
    pub(super) workload: &'static str,
    /// And its namespace.
    pub(super) namespace: &'static str,
    /// The file.
    pub(super) text: &'static str,
}

macro_rules! examples {
    ($($name:literal, $about:literal, $workload:literal in $namespace:literal;)*) => {
        /// All of them, in the order of the cookbook.
        pub(super) const EXAMPLES: &[Example] = &[$(Example {
            name: $name,
            about: $about,
            workload: $workload,
            namespace: $namespace,
            text: include_str!(concat!("../../../../deploy/examples/", $name, ".yaml")),
        }),*];
    };
}

examples! {
    "vllm", "vLLM by requests in flight", "llama" in "llm";
    "vllm-tokens", "vLLM by tokens per second", "llama" in "llm";
    "vllm-production-stack", "vLLM production stack behind its router", "vllm-llama3-deployment-vllm" in "llm";
    "sglang", "SGLang", "qwen" in "llm";
    "triton", "Triton by requests in flight", "resnet" in "vision";
    "triton-from-queue-time", "Triton, moved from an HPA on queue time", "ranker" in "recsys";
    "gpu-utilization", "GPU utilization of 80 %, as an HPA on DCGM has it", "whisper" in "audio";
    "nginx-rps", "requests per second behind ingress-nginx", "web" in "shop";
    "istio-rps", "requests per second in an Istio mesh", "reviews" in "shop";
    "envoy-rps", "requests per second behind Envoy Gateway", "search" in "shop";
    "kserve", "KServe InferenceService: predictor and transformer", "sentiment" in "nlp";
    "kserve-llm", "KServe LLMInferenceService", "llama" in "llm";
    "knative-style", "Knative's concurrency target and windows, for a Deployment", "greeter" in "apps";
    "seldon", "Seldon Core 2, with inference lag", "sentiment" in "seldon";
    "ray-serve", "Ray Serve's workers", "ray-worker" in "ray";
    "llm-d", "llm-d and the Gateway API inference extension", "llama" in "llm";
    "http-add-on", "KEDA's HTTP add-on, which wakes from zero", "api" in "shop";
    "stateless-api", "a replicated API, with CPU beside it", "checkout" in "shop";
    "celery-rabbitmq", "a Celery worker pool on RabbitMQ", "worker" in "jobs";
    "redis-list", "a Redis list as queue", "consumer" in "jobs";
    "kafka", "Kafka consumers by lag", "indexer" in "jobs";
    "sql-queue", "a table as queue", "encoder" in "jobs";
    "business-hours", "office floor, zero overnight", "assistant" in "llm";
    "batch-tolerant", "work that may wait: one replica by day, none by night", "summarizer" in "batch";
    "warm-standby", "never below one warm replica, more Ready by the morning", "endpoint" in "llm";
    "mtls", "mutual TLS between KEDA and Prewarm", "llama" in "llm";
}
