//! What requests use is what the containers of their servers use, where the file says nothing else.

use std::collections::BTreeMap;

use crate::ids::{ClassId, ServiceId};
use crate::model::traffic::Backends;
use crate::model::{Controllers, Demand, Traffic};

/// Lets requests drive the usage of the first container of each pod that serves: its CPU, and its memory where the service
/// says how much requests need.
pub(in crate::scenario) fn drive_usage(traffic: &Traffic, controllers: &mut Controllers) {
    let mut first_service: BTreeMap<ClassId, ServiceId> = BTreeMap::new();
    for (position, service) in traffic.services.iter().enumerate() {
        if let Backends::Pods(classes) = &service.backends {
            for class in classes {
                first_service.entry(*class).or_insert(ServiceId::from_index(position));
            }
        }
    }
    let Controllers { list, lives, .. } = controllers;
    for template in list.iter().flat_map(|controller| &controller.templates) {
        let Some(service) = template.classes.iter().find_map(|class| first_service.get(class)) else { continue };
        let server = &traffic.services[service.index()].server;
        let Some(container) = lives[template.life.index()].containers.first_mut() else { continue };
        let usage = container.usage.get_or_insert_default();
        usage.cpu.get_or_insert(Demand::Load);
        if server.memory_base > 0 || server.memory_per_request > 0 {
            usage.memory.get_or_insert(Demand::Load);
        }
    }
}
