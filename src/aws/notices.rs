//! EventBridge: events of our own.

use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};

use super::Aws;
use super::error::failed;
use crate::effect::{Failure, ItemFailure, Notice, Reply, SOURCE};
use crate::id::BusName;

impl Aws {
    pub(super) async fn put_events(&self, bus: BusName, notices: Vec<Notice>) -> Result<Reply, Failure> {
        let entries = notices.iter().map(|notice| entry(&bus, notice)).collect();
        let output =
            self.eventbridge.put_events().set_entries(Some(entries)).send().await.map_err(failed("PutEvents"))?;
        Ok(Reply::NoticesPut { failures: output.entries().iter().filter_map(not_taken).collect() })
    }
}

fn entry(bus: &BusName, notice: &Notice) -> PutEventsRequestEntry {
    PutEventsRequestEntry::builder()
        .event_bus_name(bus.as_str())
        .source(SOURCE)
        .detail_type(notice.news.detail_type())
        .detail(notice.detail().to_string())
        .resources(notice.cluster.as_str())
        .time(DateTime::from_millis(notice.at.as_millisecond()))
        .build()
}

fn not_taken(entry: &PutEventsResultEntry) -> Option<ItemFailure> {
    let code = entry.error_code()?;
    let message = entry.error_message().unwrap_or_default();
    Some(ItemFailure { item: String::new(), reason: format!("{code}: {message}") })
}
