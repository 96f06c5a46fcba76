//! What a trigger reports: a metric for the HPA, and whether it is active (`pkg/scalers`).
//!
//! A trigger is active above its activation threshold (never at it); whatever the metric says, zero or the idle number of
//! replicas is left and kept by this alone.

/// The metric of a trigger, in thousandths, rounded half to even from what was measured; what is no number, infinite or
/// negative is 0 (`GenerateMetricInMili`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Milli(pub u64);

impl Milli {
    /// The thousandths of a number.
    pub fn of(value: f64) -> Milli {
        if !value.is_finite() || value < 0.0 {
            return Milli(0);
        }
        // The text has the number's three digits exactly rounded, which the product with 1000 has not.
        let text = format!("{value:.3}");
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        Milli(digits.parse().unwrap_or(u64::MAX))
    }

    /// The metric as a number, by the product that Kubernetes' quantities use, whose last place a quotient may miss.
    pub fn value(self) -> f64 {
        self.0 as f64 * 1e-3
    }
}

/// What one poll of a trigger brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The metric.
    pub metric: Milli,
    /// Whether the trigger is active.
    pub is_active: bool,
}

impl Reading {
    fn new(metric: f64, is_active: bool) -> Reading {
        Reading { metric: Milli::of(metric), is_active }
    }
}

/// What the HPA compares a metric with (`metricType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// So much for each replica (the default).
    AverageValue(Milli),
    /// So much for all.
    Value(Milli),
}

impl Target {
    /// The number.
    pub fn milli(self) -> Milli {
        match self {
            Target::AverageValue(milli) | Target::Value(milli) => milli,
        }
    }
}

/// A queue of SQS as its attributes describe it (`aws_sqs_queue_scaler.go`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SqsQueue {
    /// `ApproximateNumberOfMessages`.
    pub visible: u64,
    /// `ApproximateNumberOfMessagesNotVisible`: messages that are being worked on.
    pub in_flight: u64,
    /// `ApproximateNumberOfMessagesDelayed`.
    pub delayed: u64,
}

/// A trigger on a queue of SQS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqsTrigger {
    /// `queueLength`: messages for each replica.
    pub queue_length: u64,
    /// `activationQueueLength`.
    pub activation_queue_length: u64,
    /// `scaleOnInFlight`.
    pub scale_on_in_flight: bool,
    /// `scaleOnDelayed`.
    pub scale_on_delayed: bool,
}

impl Default for SqsTrigger {
    fn default() -> SqsTrigger {
        SqsTrigger { queue_length: 5, activation_queue_length: 0, scale_on_in_flight: true, scale_on_delayed: false }
    }
}

impl SqsTrigger {
    /// The target, if it is one for each replica.
    pub fn target(&self) -> Target {
        Target::AverageValue(Milli(self.queue_length * 1000))
    }

    /// What it reports of a queue.
    pub fn read(&self, queue: &SqsQueue) -> Reading {
        let in_flight = if self.scale_on_in_flight { queue.in_flight } else { 0 };
        let delayed = if self.scale_on_delayed { queue.delayed } else { 0 };
        let length = queue.visible + in_flight + delayed;
        Reading::new(length as f64, length > self.activation_queue_length)
    }
}

/// A queue of RabbitMQ.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RabbitMqQueue {
    /// Messages, those that are being worked on included.
    pub messages: u64,
    /// Messages that nobody works on.
    pub ready: u64,
    /// Messages that come in a second.
    pub publish_rate: f64,
    /// Messages that are delivered in a second.
    pub deliver_rate: f64,
}

impl RabbitMqQueue {
    /// Several queues as one (`useRegex`, `operation`); none: an empty one. Means of counts are cut to whole messages.
    pub fn together(queues: &[RabbitMqQueue], operation: QueueOperation) -> RabbitMqQueue {
        let fold = |join: fn(RabbitMqQueue, &RabbitMqQueue) -> RabbitMqQueue| {
            queues.iter().fold(RabbitMqQueue::default(), join)
        };
        match operation {
            QueueOperation::Maximum => fold(|all, queue| RabbitMqQueue {
                messages: all.messages.max(queue.messages),
                ready: all.ready.max(queue.ready),
                publish_rate: all.publish_rate.max(queue.publish_rate),
                deliver_rate: all.deliver_rate.max(queue.deliver_rate),
            }),
            QueueOperation::Sum | QueueOperation::Average => {
                let sum = fold(|all, queue| RabbitMqQueue {
                    messages: all.messages + queue.messages,
                    ready: all.ready + queue.ready,
                    publish_rate: all.publish_rate + queue.publish_rate,
                    deliver_rate: all.deliver_rate + queue.deliver_rate,
                });
                let count = queues.len();
                if operation == QueueOperation::Sum || count == 0 {
                    return sum;
                }
                RabbitMqQueue {
                    messages: sum.messages / count as u64,
                    ready: sum.ready / count as u64,
                    publish_rate: sum.publish_rate / count as f64,
                    deliver_rate: sum.deliver_rate / count as f64,
                }
            }
        }
    }
}

/// How several queues are taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueOperation {
    /// `sum`
    #[default]
    Sum,
    /// `avg`
    Average,
    /// `max`
    Maximum,
}

/// What a trigger on RabbitMQ measures (`mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RabbitMqMode {
    /// Messages.
    #[default]
    QueueLength,
    /// Messages that come in a second.
    MessageRate,
    /// Messages that are delivered in a second.
    DeliverGetRate,
    /// The rate of coming by the rate of delivery.
    PublishedToDeliveredRatio,
    /// Seconds until the queue is empty, and the growth by the rate of delivery.
    ExpectedQueueConsumptionTime,
}

/// A trigger on RabbitMQ (`rabbitmq_scaler.go`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RabbitMqTrigger {
    /// What it measures.
    pub mode: RabbitMqMode,
    /// `value`: how much of it for each replica.
    pub value: f64,
    /// `activationValue`.
    pub activation_value: f64,
    /// `excludeUnacknowledged`: count only messages that nobody works on.
    pub exclude_unacknowledged: bool,
}

impl Default for RabbitMqTrigger {
    fn default() -> RabbitMqTrigger {
        let mode = RabbitMqMode::QueueLength;
        RabbitMqTrigger { mode, value: 20.0, activation_value: 0.0, exclude_unacknowledged: false }
    }
}

impl RabbitMqTrigger {
    /// The target, if it is one for each replica.
    pub fn target(&self) -> Target {
        Target::AverageValue(Milli::of(self.value))
    }

    /// What it reports of a queue.
    pub fn read(&self, queue: &RabbitMqQueue) -> Reading {
        let messages = if self.exclude_unacknowledged { queue.ready } else { queue.messages } as f64;
        let (publish, deliver, activation) = (queue.publish_rate, queue.deliver_rate, self.activation_value);
        match self.mode {
            RabbitMqMode::QueueLength => Reading::new(messages, messages > activation),
            RabbitMqMode::MessageRate => Reading::new(publish, publish > activation || messages > activation),
            RabbitMqMode::DeliverGetRate => Reading::new(deliver, deliver > activation),
            RabbitMqMode::PublishedToDeliveredRatio => {
                let stands_still = publish > 0.0 && deliver == 0.0;
                let ratio = if stands_still {
                    activation
                } else if publish > 0.0 && deliver > 0.0 {
                    publish / deliver
                } else {
                    0.0
                };
                Reading::new(ratio, ratio > activation || stands_still)
            }
            RabbitMqMode::ExpectedQueueConsumptionTime => {
                let stands_still = deliver == 0.0 && messages > 0.0;
                let time = if messages == 0.0 {
                    0.0
                } else if stands_still {
                    activation
                } else {
                    (publish - deliver) / deliver + messages / deliver
                };
                Reading::new(time, time > activation || stands_still)
            }
        }
    }
}

/// A trigger on the lag of a Kafka consumer group (`kafka_scaler.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KafkaTrigger {
    /// `lagThreshold`: messages for each replica, at least 1.
    pub lag_threshold: u64,
    /// `activationLagThreshold`.
    pub activation_lag_threshold: u64,
    /// `allowIdleConsumers`: scale beyond the number of partitions.
    pub allow_idle_consumers: bool,
    /// `limitToPartitionsWithLag`: not beyond the number of partitions with lag.
    pub limit_to_partitions_with_lag: bool,
    /// `ensureEvenDistributionOfPartitions`: only numbers of replicas that divide the number of partitions.
    pub ensure_even_distribution: bool,
}

impl Default for KafkaTrigger {
    fn default() -> KafkaTrigger {
        KafkaTrigger {
            lag_threshold: 10,
            activation_lag_threshold: 0,
            allow_idle_consumers: false,
            limit_to_partitions_with_lag: false,
            ensure_even_distribution: false,
        }
    }
}

/// The lag of one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionLag {
    /// Messages that count for the number of replicas: none if the consumer has stood still since the last poll, and such
    /// lag is excluded (`excludePersistentLag`).
    pub lag: u64,
    /// Messages all the same.
    pub lag_with_persistent: u64,
}

impl KafkaTrigger {
    /// The target, if it is one for each replica.
    pub fn target(&self) -> Target {
        Target::AverageValue(Milli(self.lag_threshold * 1000))
    }

    /// What it reports of the partitions of all topics.
    ///
    /// # Panics
    /// When the threshold is 0.
    pub fn read(&self, partitions: &[PartitionLag]) -> Reading {
        let threshold = self.lag_threshold;
        let mut total: u64 = partitions.iter().map(|partition| partition.lag).sum();
        let persistent: u64 = partitions.iter().map(|partition| partition.lag_with_persistent).sum();
        let count = partitions.len() as u64;
        if !self.allow_idle_consumers || self.limit_to_partitions_with_lag || self.ensure_even_distribution {
            if self.ensure_even_distribution {
                let factors = (1..=count).filter(|factor| count.is_multiple_of(*factor));
                total = factors.into_iter().find(|factor| factor * threshold >= total).unwrap_or(count) * threshold;
            }
            let bound = match self.limit_to_partitions_with_lag {
                true => partitions.iter().filter(|partition| partition.lag > 0).count() as u64,
                false => count,
            };
            if total / threshold > bound {
                total = bound * threshold;
            }
        }
        Reading::new(total as f64, persistent > self.activation_lag_threshold)
    }
}

/// A trigger on the result of a query (`prometheus_scaler.go`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueryTrigger {
    /// `threshold`: how much for each replica.
    pub threshold: f64,
    /// `activationThreshold`.
    pub activation_threshold: f64,
    /// `ignoreNullValues`: no result, and one that is no number, counts as 0 rather than as a failure.
    pub ignore_null_values: bool,
}

impl QueryTrigger {
    /// A trigger with the default of everything but the threshold.
    pub fn new(threshold: f64) -> QueryTrigger {
        QueryTrigger { threshold, activation_threshold: 0.0, ignore_null_values: true }
    }

    /// The target, if it is one for each replica.
    pub fn target(&self) -> Target {
        Target::AverageValue(Milli::of(self.threshold))
    }

    /// What it reports of a result; none as the result: the query found nothing. None: the trigger fails.
    pub fn read(&self, result: Option<f64>) -> Option<Reading> {
        let value = match result.filter(|value| value.is_finite()) {
            Some(value) => value,
            None if self.ignore_null_values => 0.0,
            None => return None,
        };
        Some(Reading::new(value, value > self.activation_threshold))
    }
}
