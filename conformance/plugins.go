package main

import (
	"reflect"
	"unsafe"

	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// pluginsOf returns the plug-in instances of a profile. The framework runs its plug-ins together only; to compare each
// on its own they are read from its unexported map, as a second set of instances would not share the volume and claim caches.
func pluginsOf(profile framework.Framework) map[string]fwk.Plugin {
	value := reflect.ValueOf(profile)
	for value.Kind() != reflect.Struct {
		value = value.Elem()
	}
	field := value.FieldByName("pluginsMap")
	return reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Interface().(map[string]fwk.Plugin)
}

// preFilterPlugins and filterPlugins are the enabled plug-ins of an extension point, in the order in which they run.
func preFilterPlugins(profile framework.Framework) []fwk.PreFilterPlugin {
	var list []fwk.PreFilterPlugin
	all := pluginsOf(profile)
	for _, plugin := range profile.ListPlugins().PreFilter.Enabled {
		list = append(list, all[plugin.Name].(fwk.PreFilterPlugin))
	}
	return list
}

func filterPlugins(profile framework.Framework) []fwk.FilterPlugin {
	var list []fwk.FilterPlugin
	all := pluginsOf(profile)
	for _, plugin := range profile.ListPlugins().Filter.Enabled {
		list = append(list, all[plugin.Name].(fwk.FilterPlugin))
	}
	return list
}
