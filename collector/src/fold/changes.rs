//! The changes of a fold step, for the publisher.

use std::collections::{BTreeMap, BTreeSet};

use ringside_model::{Alert, CallChange, CampaignId, Event, Notification, StatusChange, TenantId};

/// New events in the order they occurred, and which state changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Calls that a fact changed.
    pub calls: Vec<(TenantId, CallChange)>,
    /// Status changes of campaigns.
    pub statuses: Vec<(TenantId, StatusChange)>,
    /// Alert transitions, for the tenant's room.
    pub alerts: Vec<(TenantId, Alert)>,
    /// New notifications.
    pub notifications: Vec<(TenantId, Notification)>,
    /// Events for the tenant's home partition, which may be this one.
    /// The owner appends them to its log.
    pub derived: Vec<Event>,
    /// Campaigns whose metrics or series changed, by tenant.
    pub dirty_campaigns: BTreeMap<TenantId, BTreeSet<CampaignId>>,
    /// Tenants with new metric samples.
    pub dirty_metrics: BTreeSet<TenantId>,
    /// Tenants with new samples of their hosts.
    pub dirty_hosts: BTreeSet<TenantId>,
    /// Tenants with a campaign that is new, renamed or in another status.
    pub dirty_directory: BTreeSet<TenantId>,
}

impl Changes {
    /// Clears everything and keeps the memory.
    pub fn clear(&mut self) {
        self.calls.clear();
        self.statuses.clear();
        self.alerts.clear();
        self.notifications.clear();
        self.derived.clear();
        self.dirty_campaigns.clear();
        self.dirty_metrics.clear();
        self.dirty_hosts.clear();
        self.dirty_directory.clear();
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
            && self.statuses.is_empty()
            && self.alerts.is_empty()
            && self.notifications.is_empty()
            && self.derived.is_empty()
            && self.dirty_campaigns.is_empty()
            && self.dirty_metrics.is_empty()
            && self.dirty_hosts.is_empty()
            && self.dirty_directory.is_empty()
    }

    pub(super) fn touch_campaign(&mut self, tenant: &TenantId, campaign: &CampaignId) {
        if let Some(campaigns) = self.dirty_campaigns.get_mut(tenant) {
            if !campaigns.contains(campaign) {
                campaigns.insert(campaign.clone());
            }
        } else {
            self.dirty_campaigns.insert(tenant.clone(), BTreeSet::from([campaign.clone()]));
        }
    }
}

/// Adds a tenant to a set; clones it only if it is missing.
pub(super) fn touch(tenants: &mut BTreeSet<TenantId>, tenant: &TenantId) {
    if !tenants.contains(tenant) {
        tenants.insert(tenant.clone());
    }
}
